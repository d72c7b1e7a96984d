"""Eighty workers on ten nodes with eight fake GPUs each: placed, stepped, and gone."""

import json
import os
import subprocess
import sys

import pytest

from tests.structure.sources import ROOT


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(3600)
def test_eighty_workers_are_placed_step_and_leave_nothing_behind(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.distributed.fake_cluster"],
        env=os.environ | {"HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)  # noqa: T201 (the numbers of docs/benchmarks.md)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    _, _, *couplings, last = map(json.loads, lines)
    assert len(couplings) == 5
    for found in couplings:
        assert found["free_gpus"] == 0, found  # all eighty are taken
        # The same as eighty workers of one process, from which it differs in no computation.
        assert found["loss"] == pytest.approx(found["wanted"], rel=1e-6)
    assert last["left"] == []
