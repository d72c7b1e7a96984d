"""Who is told how far a sweep is: telemetry and a person. Layer 7, without Ray."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from ganntk.sweeps import outcome
from ganntk.sweeps.ledger import Ledger, State, Trial
from ganntk.sweeps.settings import SweepConfig
from ganntk.telemetry import Recorder


class SweepProgress(Protocol):
    """Somebody who watches a sweep."""

    def phase(self, sentence: str) -> None:
        """Something began that takes a while."""

    def trials(self, counts: Mapping[State, int], total: int, best: str) -> None:
        """A trial started or ended; `best` says which is best so far."""

    def shared(self, made: int, found: int) -> None:
        """So many values that trials share were computed, and so often one was there already."""


# Ray Tune's words, which dashboards ask for.
_WORDS = {
    "PENDING": (State.PENDING,),
    "RUNNING": (State.RUNNING,),
    "TERMINATED": (State.FINISHED, State.STOPPED),
    "ERROR": (State.ERROR,),
}


_MOST_POINTS = 20
"""Of the front, in the telemetry."""


class Watched:
    """Tells everybody how far a sweep is: the ledger, the telemetry, the person.

    Args:
        sweep: what is carried out.
        ledger: of its trials.
        recorder: of its series.
        progress: who watches.
    """

    def __init__(
        self, sweep: SweepConfig, ledger: Ledger, recorder: Recorder, progress: SweepProgress
    ) -> None:
        self.ledger, self._sweep = ledger, sweep
        self._recorder, self._progress = recorder, progress
        self._front: set[int] = set()

    def tell(self, total: int) -> None:
        """A trial started or ended."""
        counts, trials = self.ledger.count(), list(self.ledger.trials.values())
        step = sum(trial.steps for trial in trials)
        for word, states in _WORDS.items():
            count = sum(counts[state] for state in states)
            self._recorder.record(step, {"trials": count}, {"state": word})
        best, said = outcome.best_of(trials, self._sweep), ""
        for name, mode in self._sweep.measures.items():
            values = [outcome.value_of(trial, name, mode) for trial in trials]
            if (least := min(values, default=math.inf)) < math.inf:
                value = least if mode == "min" else -least
                self._recorder.record(step, {"trial_best": value}, {"measure": name})
        self._record_front(step, outcome.front_of(trials, self._sweep)[:_MOST_POINTS])
        if best is not None:
            measure = self._sweep.measure
            said = f"best {measure} {best.last(measure):.4g}, trial {best.number}"
        self._recorder.flush()
        self._progress.trials(counts, total, said)

    def _record_front(self, step: int, front: Sequence[Trial]) -> None:
        now = {trial.number: trial for trial in front}
        for number in sorted(now.keys() | self._front):
            for name in self._sweep.measures:
                # One that a better one has beaten is not on the front any more: it is forgotten.
                value = now[number].last(name) if number in now else math.nan
                where = {"measure": name, "point": str(number)}
                self._recorder.record(step, {"trial_front": value}, where)
        self._front = set(now)

    def say_shared(self, counts: Mapping[str, int]) -> None:
        """What sharing saved."""
        self._progress.shared(counts["made"], counts["found"])
