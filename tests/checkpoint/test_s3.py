"""Checkpoints on a real S3 server that answers 500 and 503, hangs up, or cuts an upload."""

import time

import fsspec.config
import pytest

from ganntk import storage
from ganntk.checkpoint import store
from ganntk.checkpoint.policy import Checkpoints
from ganntk.checkpoint.writer import Writer
from ganntk.errors import CheckpointError, InputError
from ganntk.storage import trees as storage_trees
from tests.checkpoint.conftest import forget_stores, state
from tests.checkpoint.s3 import HANG, SLOW
from tests.checkpoint.test_store import POLICY, restored, written

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def impatient(monkeypatch, proxy):
    """Wait a hundredth of the usual pauses, and let nobody try again but us."""
    monkeypatch.setattr(storage_trees, "_FIRST_PAUSE_SECONDS", 0.005)
    # The way a person sets it is the variable FSSPEC_S3, which fsspec reads when it is imported.
    once = {"read_timeout": 10, "retries": {"max_attempts": 0}}
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": once})
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    forget_stores()


def test_checkpoints_on_s3_are_written_retained_and_restored(s3_uri):
    written(s3_uri, 10, 20, 30, policy=Checkpoints(keep=2))
    assert [found.step for found in store.listed(s3_uri)] == [20, 30]
    assert restored(s3_uri) == 30
    last = store.latest(s3_uri)
    assert last is not None
    store.verify(last)
    assert not storage.exists(f"{s3_uri}/checkpoints/writer.json")


@pytest.mark.parametrize("status", [500, 503, 0], ids=["500", "503", "hangs up"])
def test_errors_that_pass_are_waited_for(s3_uri, proxy, status):
    written(s3_uri, 10)
    faults = [
        proxy.fail("PUT", "00000020/tree", status, times=4),
        proxy.fail("PUT", "manifest.json", status, times=3),
        proxy.fail("GET", "00000020/tree", status, times=4),
        proxy.fail("GET", "00000020/manifest.json", status, times=4),
    ]
    written(s3_uri, 20)
    assert restored(s3_uri) == 20
    assert [fault.seen for fault in faults] == [4, 3, 4, 4]


def test_a_store_that_does_not_answer_is_asked_again(s3_uri, proxy, monkeypatch):
    once = {"read_timeout": 1, "retries": {"max_attempts": 0}}
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": once})
    forget_stores()
    faults = [
        proxy.fail("PUT", "00000010/tree", HANG, times=2),
        proxy.fail("GET", "00000010/tree", HANG, times=2),
    ]
    written(s3_uri, 10)
    assert restored(s3_uri) == 10
    assert [fault.seen for fault in faults] == [2, 2]


@pytest.mark.parametrize(
    "path", [pytest.param("00000020/tree", marks=pytest.mark.slow), "00000020/manifest.json"]
)
def test_a_store_that_takes_nothing_more_fails_loudly_and_loses_nothing(s3_uri, proxy, path):
    written(s3_uri, 10)
    fault = proxy.fail("PUT", path, 500)
    writer = Writer(s3_uri, POLICY, fingerprint="f", data_fingerprint="d")
    writer.save(20, state(20))
    with pytest.raises(CheckpointError, match="no checkpoint could be written to s3://"):
        writer.close()
    assert fault.seen == storage_trees.ATTEMPTS
    proxy.faults.clear()
    assert restored(s3_uri) == 10
    written(s3_uri, 30)
    assert restored(s3_uri) == 30


def test_a_damaged_object_is_noticed_and_the_checkpoint_before_is_restored(s3_uri):
    written(s3_uri, 10, 20)
    found = store.latest(s3_uri)
    assert found is not None
    uri = storage.join(found.uri, max(found.manifest.files, key=lambda file: file.size).path)
    content = bytearray(storage.read_bytes(uri))
    content[len(content) // 2] ^= 1
    storage.write_bytes(uri, bytes(content))
    assert restored(s3_uri) == 10
    storage.remove(uri)
    assert restored(s3_uri) == 10


def test_a_store_that_cannot_be_read_is_no_damage(s3_uri, proxy):
    # An older checkpoint instead of the last one would be wrong: it is there.
    written(s3_uri, 10, 20)
    proxy.fail("GET", "00000020/tree", 503)
    with pytest.raises(OSError, match=r"503|Service Unavailable|SlowDown|reduce"):
        store.restore(s3_uri)


@pytest.mark.parametrize("status", [503, 0], ids=["503", "hangs up"])
def test_a_lease_that_cannot_be_read_is_not_nobodys(s3_uri, proxy, status):
    first = Writer(s3_uri, POLICY, fingerprint="f", data_fingerprint="d")
    fault = proxy.fail("GET", "writer.json", status, times=4)
    with pytest.raises(InputError, match="another run writes there"):
        Writer(s3_uri, POLICY, fingerprint="f", data_fingerprint="d")
    assert fault.seen == 4
    proxy.fail("GET", "writer.json", status)
    with pytest.raises(Exception, match=r"503|Service Unavailable|SlowDown|reduce|closed"):
        Writer(s3_uri, POLICY, fingerprint="f", data_fingerprint="d")
    proxy.faults.clear()
    first.save(10, state(10))
    first.close()
    assert restored(s3_uri) == 10


def test_a_lease_is_renewed_while_a_file_is_uploaded(s3_uri, proxy):
    policy = Checkpoints(lease_seconds=1.5)
    fault = proxy.fail("PUT", "00000010/tree", SLOW, times=1, seconds=4)
    first = Writer(s3_uri, policy, fingerprint="f", data_fingerprint="d")
    first.save(10, state(10))
    while not fault.seen:
        time.sleep(0.01)
    time.sleep(2)
    with pytest.raises(InputError, match="another run writes there"):
        Writer(s3_uri, policy, fingerprint="f", data_fingerprint="d")
    first.close()
    assert restored(s3_uri) == 10
    assert not storage.exists(f"{s3_uri}/checkpoints/writer.json")


def test_of_several_writers_of_a_new_object_the_first_one_wins(s3_uri):
    uri = f"{s3_uri}/a.bin"
    assert storage.write_new(uri, b"first")
    assert not storage.write_new(uri, b"second")
    assert storage.read_bytes(uri) == b"first"
