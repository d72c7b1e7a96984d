"""A scheduler that is shown what has ended decides as one that saw it."""

import subprocess
import sys

import pytest

from tests.structure.sources import ROOT

pytestmark = pytest.mark.ray

PROGRAM = """
import sys
from ray.tune.experiment import Trial as TuneTrial
from ganntk.sweeps.ledger import State, Trial
from ganntk.sweeps.scheduling import scheduler_of
from tests.sweeps.given import sweep_of

kind = sys.argv[1]
asked = {"asha": {"type": "asha", "grace": 5, "factor": 2},
         "median": {"type": "median", "grace": 5, "others": 2}}[kind]
sweep = sweep_of("s", scheduler=asked)
ended = []
for number, loss in enumerate((0.1, 0.2, 0.3)):
    trial = Trial(number, {}, State.FINISHED)
    trial.reports = {step: {"loss_per_real": loss} for step in (5, 10, 20)}
    ended.append(trial)
ended.append(Trial(3, {}, State.ERROR))
ended.append(Trial(4, {}, State.STOPPED))  # without a report
found = []
for loss in (0.05, 0.9):
    for known in (ended, []):
        scheduler = scheduler_of(sweep, known)
        new = TuneTrial("new", stub=True)
        scheduler.on_trial_add(None, new)
        found.append(scheduler.on_trial_result(None, new, {"step": 5, "loss_per_real": loss}))
print(" ".join(found))
"""


@pytest.mark.parametrize("kind", ["asha", "median"])
def test_a_bad_trial_is_ended_where_better_ones_are_known(kind: str):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    # A good one goes on; a bad one only where nothing better is known.
    assert done.stdout.split() == ["CONTINUE", "CONTINUE", "STOP", "CONTINUE"]
