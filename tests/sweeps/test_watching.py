"""Who watches a sweep is told of the trials, the best of each measure and the front as it moves."""

import math
from pathlib import Path

from ganntk.sweeps.ledger import Ledger, State
from ganntk.sweeps.watching import Watched
from ganntk.telemetry import MemorySink, Recorder
from tests.sweeps.given import sweep_of

TWO = {"loss_per_real": "min", "d_points": "max"}


class Told:
    """Keeps what a person is told."""

    def __init__(self) -> None:
        self.best, self.counts = "", {}

    def phase(self, sentence) -> None:
        """Nothing."""

    def trials(self, counts, total, best) -> None:
        """Remember."""
        self.counts, self.best = counts, best

    def shared(self, made, found) -> None:
        """Nothing."""


def _watched(folder: Path) -> tuple[Watched, MemorySink, Told]:
    sink, told = MemorySink(), Told()
    recorder = Recorder([sink])
    return Watched(sweep_of(folder, measures=TWO), Ledger(str(folder)), recorder, told), sink, told


def _end(watched: Watched, loss: float, d: float) -> None:
    """One more trial that finished."""
    number = watched.ledger.propose({"lam.value": 1.0}).number
    watched.ledger.end(number, State.FINISHED, end={"loss_per_real": loss, "d_points": d})
    watched.tell(total=3)


def _front(sink: MemorySink) -> dict[str, dict[str, float]]:
    """Point -> measure -> the last value that the series was given."""
    found: dict[str, dict[str, float]] = {}
    for record in sink.records:
        if "trial_front" in record.values:
            of_point = found.setdefault(record.labels["point"], {})
            of_point[record.labels["measure"]] = record.values["trial_front"]
    return found


def test_a_point_that_left_the_front_is_forgotten_once(tmp_path: Path):
    watched, sink, _ = _watched(tmp_path)
    _end(watched, 0.5, 0.5)
    _end(watched, 0.6, 0.9)
    assert _front(sink) == {
        "0": {"loss_per_real": 0.5, "d_points": 0.5},
        "1": {"loss_per_real": 0.6, "d_points": 0.9},
    }
    _end(watched, 0.4, 0.6)  # beats the first in both, the second in one
    found = _front(sink)
    assert all(math.isnan(value) for value in found["0"].values())
    assert set(found["0"]) == set(TWO)
    assert found["1"] == {"loss_per_real": 0.6, "d_points": 0.9}
    assert found["2"] == {"loss_per_real": 0.4, "d_points": 0.6}
    sink.records.clear()
    watched.tell(total=3)
    assert set(_front(sink)) == {"1", "2"}


def test_counts_and_the_best_of_each_measure(tmp_path: Path):
    watched, sink, told = _watched(tmp_path)
    failed = watched.ledger.propose({}).number
    watched.ledger.end(failed, State.ERROR, reason="no kernel")
    _end(watched, 0.5, 0.5)
    _end(watched, 0.4, 0.3)
    states = {r.labels["state"]: r.values["trials"] for r in sink.records if "trials" in r.values}
    assert states == {"PENDING": 0, "RUNNING": 0, "TERMINATED": 2, "ERROR": 1}
    bests = {r.labels["measure"]: r.values for r in sink.records if "trial_best" in r.values}
    assert bests["loss_per_real"] == {"trial_best": 0.4}
    assert bests["d_points"] == {"trial_best": 0.5}  # the largest, not the best trial's
    assert told.best == "best loss_per_real 0.4, trial 2"
    assert told.counts[State.ERROR] == 1
