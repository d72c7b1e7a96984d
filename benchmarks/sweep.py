"""What Ray Tune adds to a run: seconds for each trial and each report, and what sharing saves.

``python -m benchmarks.sweep``: on a local Ray, runs of the digits, one trial at a time. A trial
costs what lies between two starts without the run: against the run in a process that has compiled,
and, less the compilation, against its own run (a process, its imports, Ray Tune are left). A report
costs what a run with many takes longer than one with few, less the same alone.
"""

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks.harness import duration, machine, table
from ganntk import config, distributed, sweeps
from ganntk.distributed.ray_session import stay_on_loopback
from ganntk.distributed.shared import Shared
from ganntk.distributed.worker import Worker
from ganntk.run_folder import RunFolder
from ganntk.sweeps import settings
from ganntk.sweeps.ledger import State, read
from ganntk.sweeps.settings import SweepConfig

T = TypeVar("T")

_FEW, _MANY = 1, 400
_STEPS = 2000
_LAMS = 16


@dataclass
class Starts:
    """Remembers when trials started, and what was shared."""

    times: list[float] = field(default_factory=list)
    made: int = 0
    found: int = 0

    def phase(self, sentence: str) -> None:
        """Nothing."""

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """Nothing."""

    def trials(self, counts: Any, total: int, best: str) -> None:
        """A start, where one runs."""
        if counts[State.RUNNING]:
            self.times.append(time.monotonic())

    def shared(self, made: int, found: int) -> None:
        """Remember."""
        self.made, self.found = made, found


@dataclass(frozen=True)
class Case:
    """Seconds from start to start, of the run within a trial, and of the run alone (medians)."""

    trial: float
    within: float
    alone: float
    made: int
    found: int


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--size", type=int, default=64, help="real and generated rows of a start")
    given = parser.parse_args()
    stay_on_loopback()
    print(machine("cpu"))
    cases = [(_FEW, True), (_MANY, True), (_MANY, False)]
    found = {case: _case(given.trials, *case) for case in cases}
    rows = [_row(reports, share, case) for (reports, share), case in found.items()]
    print(table(["reports", "share", "start to start", "run", "run alone", "made, found"], rows))
    few, many = found[_FEW, True], found[_MANY, True]
    for said, adds in (
        ("to a run in a process that has compiled", [c.trial - c.alone for c in (few, many)]),
        ("beside its own run", [c.trial - c.within for c in (few, many)]),
    ):
        print(f"a trial adds {said} {duration(statistics.mean(adds))}")
    more = (many.within - few.within) - (many.alone - few.alone)
    print(f"a report adds {duration(max(more, 0.0) / (_MANY - _FEW))}")
    print(table([f"starts of {_LAMS} searches for lam", "time", "computed"], _starts(given.size)))


def _row(reports: int, share: bool, case: Case) -> list[str]:
    shown = [duration(seconds) for seconds in (case.trial, case.within, case.alone)]
    return [str(reports), "yes" if share else "no", *shown, f"{case.made}, {case.found}"]


def _case(trials: int, reports: int, share: bool) -> Case:
    """A sweep one trial at a time, and its run in this process."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = _sweep(f"{folder}/sweep", trials, reports, share)
        watcher = Starts()
        sweeps.run(sweep, watcher)
        within = [_seconds(settings.run_of(sweep, n, {}).run_uri) for n in read(sweep.sweep_uri)]
        alone = []
        for number in range(4):
            run = settings.run_of(sweep, 0, {"lam.error": 0.01})
            uri = f"{folder}/alone{number}"
            distributed.run(dataclasses.replace(run, run_uri=uri), watcher)
            alone.append(_seconds(uri))
    between = [b - a for a, b in zip(watcher.times, watcher.times[1:], strict=False)]
    return Case(
        trial=statistics.median(between),
        within=statistics.median(within),
        # The first one compiles, as every trial's process does.
        alone=statistics.median(alone[1:]),
        made=watcher.made,
        found=watcher.found,
    )


def _seconds(run_uri: str) -> float:
    result = RunFolder(run_uri).read_result()
    assert result is not None
    return result["seconds"]


def _sweep(uri: str, trials: int, reports: int, share: bool) -> SweepConfig:
    run = {
        "data": {"type": "digits", "size": 32},
        "kernel": "fnn",
        "lam": {"type": "searched"},
        "steps": _STEPS,
        "report_every": _STEPS // reports,
        "sample_every": _STEPS,
        "checkpoints": {"every": 0},
    }
    space = {"lam.error": {"type": "log_uniform", "low": 0.001, "high": 0.1}}
    raw = {"sweep_uri": uri, "space": space, "budget": {"trials": trials}, "concurrent": 1}
    return config.decode_as(SweepConfig, raw | {"run": config.changed({}, run), "share": share})


class Counted(Shared):
    """Counts what is computed, and keeps it where it is to be shared."""

    def __init__(self, keeps: bool) -> None:
        self._kept: dict[str, Any] = {}
        self._keeps, self.made = keeps, 0

    def value(self, key: str, make: Callable[[], T]) -> T:
        """See `Shared`."""
        if key not in self._kept:
            self.made += 1
            made = make()
            if not self._keeps:
                return made
            self._kept[key] = made
        return self._kept[key]


def _starts(size: int) -> list[list[str]]:
    """Sixteen trials of one kernel, until each has its first points and its lam; compiled."""
    given = {"data": {"type": "digits", "size": size}, "kernel": "cnn-mnist"}
    raw = config.changed({}, given | {"points": {"count": size}})
    base = config.decode_as(config.RunConfig, raw)
    errors = [0.001 * 100 ** (place / (_LAMS - 1)) for place in range(_LAMS)]
    runs = [config.with_values(base, {"lam": {"type": "searched", "error": e}}) for e in errors]
    Worker(runs[0]).prepare()
    rows = []
    for keeps in (True, False):
        shared, began = Counted(keeps), time.monotonic()
        for run in runs:
            Worker(run, shared=shared).prepare()
        said = "shared" if keeps else "each for itself"
        rows.append([said, duration(time.monotonic() - began), str(shared.made)])
    return rows


if __name__ == "__main__":
    main()
