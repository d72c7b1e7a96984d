"""What happened in a sweep, line by line: enough to go on after the driver was killed. Layer 7.

``ledger.jsonl`` in the sweep's folder holds JSON and nothing else, so a sweep is resumed from any
store without unpickling what lies there. Events, in their order:

==========  =======================================================================================
event       says
==========  =======================================================================================
proposed    a trial's number and the values of its parameters, dotted key -> value
report      its step, its seconds so far and the measures there
values      its parameters were changed while it ran, at a step (population-based training)
ended       its state, the reason of a failure, and all that is known of its end
==========  =======================================================================================
"""

import enum
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ganntk import storage

LEDGER = "ledger.jsonl"
_SECONDS_BETWEEN_FLUSHES = 10.0


class State(enum.Enum):
    """Where a trial is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"
    STOPPED = "STOPPED"
    ERROR = "ERROR"

    @property
    def is_ended(self) -> bool:
        """Whether nothing more happens to the trial."""
        return self not in (State.PENDING, State.RUNNING)


@dataclass
class Trial:
    """One trial as far as the ledger knows it.

    Attributes:
        number: from 0, in the order in which trials were proposed.
        values: of its parameters, dotted key -> value; the last ones, where they changed.
        state: where it is.
        reports: step -> measures there.
        seconds: that all of its processes have run, each until its last report.
        reason: of a failure.
        end: what was known when it ended: measures and more.
    """

    number: int
    values: dict[str, Any]
    state: State = State.PENDING
    reports: dict[int, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""
    end: dict[str, float] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """The last step that was reported."""
        return max(self.reports, default=0)

    def last(self, measure: str) -> float:
        """A measure at the end, or as it was last reported; NaN where it never was."""
        if measure in self.end:
            return self.end[measure]
        seen = [step for step, values in self.reports.items() if measure in values]
        return self.reports[max(seen)][measure] if seen else math.nan


class Ledger:
    """The trials of a sweep, in memory and as lines of a file; a context that closes the file.

    Args:
        sweep_uri: the sweep's folder.
        clock: monotonic seconds.
    """

    def __init__(self, sweep_uri: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.trials: dict[int, Trial] = read(sweep_uri)
        self._log = storage.AppendLog(storage.join(sweep_uri, LEDGER))
        self._clock, self._flushed = clock, clock()

    def propose(self, values: Mapping[str, Any]) -> Trial:
        """Write a new trial down, before it is started."""
        trial = Trial(len(self.trials), dict(values))
        self._write({"event": "proposed", "trial": trial.number, "values": trial.values}, True)
        return trial

    def start(self, number: int) -> None:
        """Remember that it runs, in memory alone: after a killed driver nothing does."""
        self.trials[number].state = State.RUNNING

    def report(self, number: int, step: int, seconds: float, measures: Mapping[str, float]) -> None:
        """Write down what a trial reports."""
        event = {"event": "report", "trial": number, "step": step, "seconds": round(seconds, 3)}
        self._write(event | {"measures": dict(measures)})

    def change(self, number: int, step: int, values: Mapping[str, Any]) -> None:
        """Write down that a trial goes on with other values from a step on."""
        event = {"event": "values", "trial": number, "step": step, "values": dict(values)}
        self._write(event, True)

    def end(
        self, number: int, state: State, *, reason: str = "", end: Mapping[str, float] | None = None
    ) -> None:
        """Write down how a trial ended."""
        event = {"event": "ended", "trial": number, "state": state.value, "reason": reason}
        self._write(event | {"end": dict(end or {})}, True)

    def count(self) -> dict[State, int]:
        """Trials by their state, with zeros."""
        found = dict.fromkeys(State, 0)
        for trial in self.trials.values():
            found[trial.state] += 1
        return found

    def close(self) -> None:
        """Make everything durable, and let go of the file."""
        self._log.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, event: dict[str, Any], is_durable: bool = False) -> None:
        line = json.dumps(_plain(event), allow_nan=False)
        self._log.append(line)
        _apply(self.trials, json.loads(line))
        # An object store takes the whole file anew: rarely, for reports.
        if is_durable or self._clock() - self._flushed > _SECONDS_BETWEEN_FLUSHES:
            self._log.flush()
            self._flushed = self._clock()


def read(sweep_uri: str) -> dict[int, Trial]:
    """The trials that a sweep's ledger knows, by number; a last line that was cut short is none."""
    uri = storage.join(sweep_uri, LEDGER)
    trials: dict[int, Trial] = {}
    if not storage.exists(uri):
        return trials
    whole, _, _ = storage.read_text(uri).rpartition("\n")
    for line in whole.splitlines():
        _apply(trials, json.loads(line))
    return trials


def _apply(trials: dict[int, Trial], event: Mapping[str, Any]) -> None:
    """Change the trials as an event says."""
    number, kind = event["trial"], event["event"]
    if kind == "proposed":
        trials[number] = Trial(number, event["values"])
        return
    trial = trials[number]
    if kind == "report":
        trial.reports[event["step"]] = _numbers(event["measures"])
        trial.seconds = event["seconds"]
    elif kind == "values":
        trial.values = event["values"]
    elif kind == "ended":
        trial.state, trial.reason = State(event["state"]), event["reason"]
        trial.end = _numbers(event["end"])


def _plain(value: Any) -> Any:
    """The value with words for the numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
