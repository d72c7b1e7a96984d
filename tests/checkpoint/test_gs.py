"""Checkpoints and runs on a server of Google's storage protocol, which fails on demand."""

import contextlib
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator

import fsspec.config
import numpy as np
import pytest

from ganntk import config, distributed, storage
from ganntk.checkpoint import store
from ganntk.checkpoint.policy import Checkpoints
from ganntk.checkpoint.writer import Writer
from ganntk.errors import InputError
from ganntk.experiments import runs
from ganntk.storage import trees as storage_trees
from tests.checkpoint.conftest import state
from tests.checkpoint.s3 import Proxy, free_port
from tests.checkpoint.test_run import WORDS
from tests.checkpoint.test_store import POLICY, restored, written
from tests.experiments.test_experiments import Quiet

gcsfs = pytest.importorskip("gcsfs", reason="gs:// needs the extra gs")

pytestmark = [pytest.mark.usefixtures("quick_compile"), pytest.mark.timeout(600)]

BUCKET = "runs"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """As a person starts it: ``gcp-storage-emulator start --in-memory``."""
    pytest.importorskip("gcp_storage_emulator", reason="the server of the tests: make env")
    program = os.path.join(os.path.dirname(sys.executable), "gcp-storage-emulator")
    port = free_port()
    words = ["--host", "127.0.0.1", "--port", str(port), "--default-bucket", BUCKET, "--in-memory"]
    emulator = subprocess.Popen(
        [program, "start", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/storage/v1/b"):
                break
            assert emulator.poll() is None, "the emulator ended"
            time.sleep(0.25)
        yield url
    finally:
        emulator.terminate()
        emulator.wait(10)


@pytest.fixture
def proxy(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before it that `gs://` of this process goes through; nobody waits long."""
    made = Proxy(server)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", made.url)
    monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "anon"})
    monkeypatch.setattr(storage_trees, "_FIRST_PAUSE_SECONDS", 0.005)
    monkeypatch.setattr("gcsfs.GCSFileSystem.retries", 1)
    gcsfs.GCSFileSystem.clear_instance_cache()
    yield made
    gcsfs.GCSFileSystem.clear_instance_cache()
    made.close()


@pytest.fixture
def uri(proxy: Proxy, request: pytest.FixtureRequest) -> str:
    """A folder of its own on the server."""
    return f"gs://{BUCKET}/{abs(hash(request.node.nodeid))}"


def test_checkpoints_are_written_retained_and_restored(uri):
    written(uri, 10, 20, 30, policy=Checkpoints(keep=2))
    assert [found.step for found in store.listed(uri)] == [20, 30]
    assert restored(uri) == 30
    assert not storage.exists(f"{uri}/checkpoints/writer.json")


def test_a_damaged_object_is_noticed_and_the_checkpoint_before_is_restored(uri):
    written(uri, 10, 20)
    last = store.latest(uri)
    assert last is not None
    name = max(last.manifest.files, key=lambda each: each.size).path
    damaged = storage.join(last.uri, name)
    content = bytearray(storage.read_bytes(damaged))
    content[len(content) // 2] ^= 1
    storage.write_bytes(damaged, bytes(content))
    assert restored(uri) == 10


@pytest.mark.slow  # its driver waits by itself as well
def test_errors_that_pass_are_waited_for(uri, proxy):
    writer = Writer(uri, POLICY, fingerprint="f", data_fingerprint="d")
    faults = [
        proxy.fail("POST", "/upload/", 503, times=3),
        proxy.fail("GET", "00000020.*tree", 503, times=3),
    ]
    writer.save(20, state(20))
    writer.close()
    assert restored(uri) == 20
    assert [fault.seen for fault in faults] == [3, 3]


def test_a_store_that_takes_nothing_is_one_sentence(uri, proxy):
    proxy.fail("POST", "/o", 403)
    with pytest.raises(InputError, match=r"cannot write into the folder gs://.*choose another"):
        storage.make_folder(uri)
    proxy.fail("GET", "/o", 400)
    with pytest.raises(InputError, match=r"cannot open gs://"):
        storage.read_bytes(storage.join(uri, "config.yaml"))


def test_a_run_is_resumed_to_the_same_bits(uri, tmp_path):
    alone = config.load(None, [*WORDS, "--run_uri", str(tmp_path / "alone")])
    distributed.run(alone, Quiet())
    half = config.load(None, [*WORDS, "--steps", "20", "--run_uri", uri])
    distributed.run(half, Quiet())
    distributed.resume(config.load(None, [*WORDS, "--run_uri", uri]), Quiet())
    np.testing.assert_array_equal(runs.rows_of(uri), runs.rows_of(str(tmp_path / "alone")))
