"""ganntk.distributed on a real local Ray."""

import ipaddress
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from ganntk.run_folder import RunFolder

pytestmark = pytest.mark.ray

# In a process of its own: Ray's variables must be set before it is imported, and a test that looks
# at what is left behind needs an end.
_SCRIPT = """
import json, sys
import numpy as np
from ganntk import config, distributed
from ganntk.distributed.group import open_group
from ganntk.distributed.worker import Worker
from ganntk.errors import InputError

class Quiet:
    def phase(self, sentence): pass
    def step(self, *numbers): pass

words = ["--kernel", "fnn", "--data.type", "mixture", "--data.size", "12", "--steps", "6",
         "--lam", "30", "--report_every", "3"]
for address, name in (("none", "a"), ("local", "b")):
    where = ["--cluster.address", address, "--run_uri", f"{sys.argv[1]}/{name}"]
    distributed.run(config.load(None, [*words, *where]), Quiet())
wrong = config.load(None, [*words, "--cluster.address", "local", "--data.modes", "9"])
with open_group(Worker, wrong) as group:
    import psutil
    listening = {c.laddr.ip for c in psutil.net_connections("inet") if c.status == "LISTEN"
                 and c.pid in {p.pid for p in psutil.Process().children(recursive=True)}}
    try:
        group.call("prepare")
    except InputError as error:
        print(json.dumps({"error": str(error), "listening": sorted(listening)}))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    home = tmp_path_factory.mktemp("home")
    # Of its own, because other tests leave and remove sessions meanwhile; and short, for sockets.
    temporary = tempfile.mkdtemp(prefix="t-")
    environment = os.environ | {"HOME": str(home), "TMPDIR": temporary}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    left = {path.name for path in pathlib.Path(temporary).glob("gk-*")}
    shutil.rmtree(temporary)
    return folder, home, done.stdout, left


def test_a_ray_worker_gives_the_rows_of_a_worker_in_this_process(finished):
    folder, *_ = finished
    one, two = (RunFolder.open(str(folder / name)).read_images() for name in "ab")
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.rows, two.rows)


def test_an_error_on_a_worker_arrives_as_the_sentence_it_was(finished):
    *_, out, _ = finished
    assert '"error": "a mixture of 9 modes was asked for: choose 8 or 25"' in out


def test_a_local_ray_listens_on_loopback_only(finished):
    *_, out, _ = finished
    listening = json.loads(out)["listening"]
    assert listening
    # Some of its servers listen on IPv6 sockets, where loopback is written ::ffff:127.0.0.1.
    addresses = [ipaddress.ip_address(ip.removeprefix("::ffff:")) for ip in listening]
    assert all(address.is_loopback for address in addresses), listening


def test_a_local_ray_leaves_nothing_in_home_and_no_session(finished):
    _, home, _, left = finished
    assert [path for path in home.rglob("*") if "ray" in path.name.lower()] == []
    assert not (home / ".ray").exists()
    assert left == set()


def test_nothing_answers_where_no_cluster_is():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["--cluster.address", f"127.0.0.1:{port}", "--run_uri", "memory://nothing"]
    done = subprocess.run(
        [sys.executable, "-m", "ganntk", "synthesize", *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 2
    assert f"no Ray cluster answers at '127.0.0.1:{port}'" in done.stderr
    assert "Traceback" not in done.stderr


def test_more_workers_than_this_machine_has_cores_for_are_refused_at_once():
    cores = str(2 * (os.cpu_count() or 1))
    words = ["--cluster.address", "local", "--cluster.workers", cores, "--run_uri", "memory://big"]
    done = subprocess.run(
        [sys.executable, "-m", "ganntk", "synthesize", *words],
        capture_output=True,
        text=True,
        timeout=120,  # not the ten minutes that nodes of a cluster may take to start
        check=False,
    )
    assert done.returncode == 2
    assert "asked for, and this machine has" in done.stderr.splitlines()[-1]
