"""Trials on nodes with eight fake GPUs each: all take steps at once, and are gone when
interrupted.

Ten nodes need some 26 GB, swap included, and half an hour on two cores: GANNTK_FAKE_NODES=10 asks
for them, one is the default.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.sources import ROOT

NODES = int(os.environ.get("GANNTK_FAKE_NODES", "1"))

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("workers", [1, 8])
def test_every_gpu_has_its_trial_at_once_and_all_end(workers: int, tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.sweeps.fake_cluster", str(NODES), str(workers), tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=3500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    sys.stdout.write(f"{found}\n")
    assert found["most"] == found["trials"] == NODES * 8 // workers
    assert found["free_while"] == 0
    assert found["stepped_in"] > 0
    assert found["interrupted"]
    assert found["free_after"] == NODES * 8
    assert found["left"] == []
