"""`make monitor`, without a Prometheus and with one."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import psutil
import pytest

from tests.structure.sources import ROOT

SCRIPT = ROOT / "scripts" / "monitor.sh"


def test_without_a_prometheus_it_says_how_to_get_one(tmp_path):
    for name in ("sh", "dirname"):
        program = shutil.which(name)
        assert program is not None
        (tmp_path / name).symlink_to(program)
    done = subprocess.run(
        [str(tmp_path / "sh"), str(SCRIPT)],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("monitor: no prometheus on PATH: install one")


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not on PATH")
def test_it_starts_both_and_ends_both():
    ports = [_free_port() for _ in range(2)]
    process = subprocess.Popen(
        ["sh", str(SCRIPT)],
        env=os.environ | {"RAY_PORT": str(ports[0]), "PROMETHEUS_PORT": str(ports[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        # As many lines as it says at the start.
        said = [process.stdout.readline() for _ in range(9)]
        assert said[0].startswith(f"monitor: Prometheus is at http://127.0.0.1:{ports[1]};"), said
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[1]}/api/v1/rules", timeout=20) as it:
            assert b"ObjectiveNotFinite" in it.read()
        (folder,) = set(re.findall(r"/tmp/gkm-\w+", "".join(said)))
        below = psutil.Process(process.pid).children(recursive=True)
        assert {"prometheus", "raylet"} <= {each.name() for each in below}
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert process.returncode == 130
    assert not os.path.exists(folder)
    deadline = time.monotonic() + 30
    while any(each.is_running() for each in below) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert [each.name() for each in below if each.is_running()] == []


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
