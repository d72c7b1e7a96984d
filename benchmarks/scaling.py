"""Several workers on Ray: a step, what the driver adds to it, what travels; a model of more.

``python -m benchmarks.scaling [--workers 1 2] [--n 256] [--steps 20]``. The peer is the same run in
this process, on one worker. A worker's own time is measured inside its methods; the overhead of a
step is the wall time less the slowest worker of every phase.
"""

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.harness import duration, table
from ganntk import config
from ganntk.config import RunConfig
from ganntk.distributed.choice import Costs, strategy_for
from ganntk.distributed.group import WorkerGroup, open_group
from ganntk.distributed.work import work_of

COUPLINGS = {
    "exact, rows": ["--coupling.exchange", "rows"],
    "exact, vectors": ["--coupling.exchange", "vectors", "--solver", "lanczos"],
    "independent": ["--coupling.type", "independent"],
    "batchwise": ["--coupling.type", "batchwise", "--coupling.batch", "64"],
    "generator": [
        *["--coupling.type", "generator", "--coupling.batch", "64"],
        *["--coupling.network.width", "0.25"],
    ],
}
# Solutions of 256 + 256 rows take so many products of two vectors.
PRODUCTS = Costs().products
_HOPS = 20


@dataclass(frozen=True)
class Measured:
    """One coupling on some workers, for each step.

    Attributes:
        workers: how many.
        wall: median seconds of a step.
        spread: the least and the most of them.
        compute: seconds of the slowest worker, phase by phase.
        phases: the same, by method.
        call: median seconds of a call of all workers that does nothing.
        hop: seconds to hand an array of the size of a block on from one worker to the next.
    """

    workers: int
    wall: float
    spread: tuple[float, float]
    compute: float
    phases: dict[str, float]
    call: float
    hop: float

    @property
    def overhead(self) -> float:
        """Seconds that are nobody's computation."""
        return self.wall - self.compute


def timed(worker: type) -> type:
    """The same worker with a clock in each public method."""

    class Timed(worker):
        def __init__(self, *arguments: Any) -> None:
            self.seconds: dict[str, list[float]] = defaultdict(list)
            self.is_within = False
            super().__init__(*arguments)

        def pass_on(self, value: Any) -> Any:
            return value

        def spent(self) -> dict[str, list[float]]:
            found, self.seconds = dict(self.seconds), defaultdict(list)
            return found

    def clocked(name: str) -> Any:
        def method(self: Any, *arguments: Any) -> Any:
            if self.is_within:  # a method that another one calls: its time is in that one's
                return getattr(worker, name)(self, *arguments)
            self.is_within, began = True, time.perf_counter()
            try:
                return getattr(worker, name)(self, *arguments)
            finally:
                self.is_within = False
                self.seconds[name].append(time.perf_counter() - began)

        return method

    for name in dir(worker):
        if not name.startswith("_") and callable(getattr(worker, name)) and name != "ping":
            setattr(Timed, name, clocked(name))
    return Timed


def configured(
    coupling: str, n: int, workers: int, parts: int, address: str = "local"
) -> RunConfig:
    """The run that is measured: the digits of scikit-learn, 8 x 8."""
    words = [*COUPLINGS[coupling], "--data.size", str(n), "--points.count", str(n)]
    words += ["--kernel", "cnn-small", "--lam", "2", "--cluster.workers", str(workers)]
    words += ["--cluster.address", address, "--report_every", "1"]
    if coupling in ("independent", "batchwise"):
        words += ["--coupling.sets", str(parts)]
    if coupling == "generator":
        words += ["--coupling.batches", str(parts), "--coupling.network.channels", "[32, 16]"]
    return config.load(None, words)


def measure(given: RunConfig, steps: int) -> Measured:
    """Steps one by one after two that compile."""
    chosen = strategy_for(given)
    with open_group(timed(chosen.worker), given) as group:
        strategy = chosen(group, given)
        strategy.prepare()
        strategy.advance(0, 1)
        strategy.advance(1, 1)
        group.call("spent")
        walls = []
        for step in range(2, 2 + steps):
            began = time.perf_counter()
            strategy.advance(step, 1)
            walls.append(time.perf_counter() - began)
        spent = group.call("spent")
        calls = []
        for _ in range(20):
            began = time.perf_counter()
            group.call("ping")
            calls.append(time.perf_counter() - began)
        hop = _hop(group, given)
    phases: dict[str, float] = {}
    for name in sorted({name for own in spent for name in own}):
        phases[name] = max(_in_a_step(own.get(name, ()), steps) for own in spent)
    workers = given.cluster.workers
    spread = (min(walls), max(walls))
    wall, call = float(np.median(walls)), float(np.median(calls))
    return Measured(workers, wall, spread, sum(phases.values()), phases, call, hop)


def _in_a_step(seconds: Sequence[float], steps: int) -> float:
    """The median over steps, as of the wall time; the mean where calls differ from step to step."""
    if not seconds or len(seconds) % steps:
        return sum(seconds) / steps
    return float(np.median(np.reshape(seconds, (steps, -1)).sum(axis=1)))


def _hop(group: WorkerGroup, given: RunConfig) -> float:
    """Along a chain of calls that wait for each other, as those of a step do."""
    rows, times = (given.points.count or 0) // group.size, []
    for _ in range(5):
        began = time.perf_counter()
        value = group.put(np.zeros((rows, 2 * (given.points.count or 0)), np.float32))
        for i in range(_HOPS):
            value = group.submit(i % group.size, "pass_on", value)
        group.get([value])
        times.append((time.perf_counter() - began) / _HOPS)
    return float(np.median(times))


def moved_bytes(coupling: str, given: RunConfig, n: int) -> float:
    """Bytes between processes in a step."""
    exchange = "vectors" if coupling == "exact, vectors" else "rows"
    return work_of(given, n, (8, 8, 1), exchange).moved_bytes


def predicted(
    coupling: str, here: Measured, n: int, gpus: int, costs: Costs
) -> tuple[float, float, float]:
    """Seconds of a step on so many devices: work, calls, bytes.

    Work that rows share falls with the number of workers; a solution on one worker does not.
    """
    solving = here.phases.get("solve", 0.0)
    calls = {"exact, rows": 3, "exact, vectors": 3 + PRODUCTS, "generator": 1}.get(coupling, 1)
    parts = 1 if coupling.startswith("exact") else gpus  # weak scaling: a part for each device
    many = configured(coupling, n, gpus, parts)
    work = (here.compute - solving) * here.workers * parts / gpus + solving
    # Into one process, which is the narrow place: the solver, or the driver.
    travelling = moved_bytes(coupling, many, n) / (gpus if coupling == "exact, vectors" else 1)
    return (
        work,
        calls * (costs.call_seconds + gpus * costs.worker_seconds),
        travelling / costs.bytes_per_second,
    )


def report(n: int, steps: int, workers: list[int], couplings: list[str]) -> None:
    """Print the measured table, then the model."""
    rows, largest, seen = [], {}, []
    for coupling in couplings:
        largest[coupling] = measure(configured(coupling, n, 1, 1, "none"), steps)
        is_exact = coupling.startswith("exact")
        for count in workers:
            for kind in ("strong", "weak"):
                # Weak: rows of the exact coupling grow with the workers, and parts of others.
                size = n * count // max(workers) if is_exact and kind == "weak" else n
                parts = 1 if is_exact else count if kind == "weak" else max(workers)
                given = configured(coupling, size, count, parts)
                found = measure(given, steps)
                seen.append(found)
                if is_exact and (size, count) == (n, max(workers)):
                    largest[coupling] = found
                rows.append(_row(coupling, kind, given, found))
                print(*rows[-1], sep="  ", flush=True)
    print(f"\n{n} real and {n} generated digits of 8 x 8, cnn-small, float32, {steps} steps each\n")
    print(table(_MEASURED, rows))
    for name, costs in (("assumed", Costs()), ("measured here", measured_costs(seen))):
        print(
            f"\nmodel, calls as {name}: {costs.call_seconds * 1e3:.2g} ms for a call and its "
            f"answers, {costs.worker_seconds * 1e3:.2g} ms more for each worker, "
            f"{costs.bytes_per_second / 1e9:g} GB/s into a process, {PRODUCTS} products; work as "
            "on these workers, shared by rows but for the solution (exact), or a part for each\n"
        )
        model = []
        for (coupling, found), gpus in itertools.product(largest.items(), (8, 80)):
            times = predicted(coupling, found, n, gpus, costs)
            model.append([coupling, str(gpus), *(f"{1e3 * t:.1f}" for t in (*times, sum(times)))])
        print(table(_MODEL, model))


def measured_costs(seen: list[Measured]) -> Costs:
    """The model with a call and a worker as they were here: a line through all groups."""
    workers, calls = [found.workers for found in seen], [found.call for found in seen]
    slope, start = np.polyfit(workers, calls, 1) if len(set(workers)) > 1 else (0, np.mean(calls))
    hops = [found.hop for found in seen if found.workers > 1] or [found.hop for found in seen]
    hop = float(np.median(hops))
    # A call of a step waits for the one before it on another worker: it takes a hop at least.
    return Costs(call_seconds=max(float(start), hop), worker_seconds=max(float(slope), 0.0))


_MODEL = ["coupling", "devices", "work, ms", "calls, ms", "bytes, ms", "step, ms"]
_MEASURED = [
    "coupling", "scaling", "workers", "step", "compute", "overhead", "a call", "a hop",
    "MB moved", "ms by phase",
]  # fmt: skip


def _row(coupling: str, kind: str, given: RunConfig, found: Measured) -> list[str]:
    """One measured line."""
    n = given.points.count or 0
    low, high = map(duration, found.spread)
    busy = (f"{name} {s * 1e3:.1f}" for name, s in found.phases.items() if s > 5e-4)
    return [
        coupling,
        kind,
        str(given.cluster.workers),
        f"{duration(found.wall)} ({low} to {high})",
        duration(found.compute),
        duration(found.overhead),
        duration(found.call),
        duration(found.hop),
        f"{moved_bytes(coupling, given, n) / 1e6:.2f}",
        ", ".join(busy),
    ]


def main() -> None:
    """Parse the options and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--n", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--couplings", nargs="+", choices=COUPLINGS, default=list(COUPLINGS))
    options = parser.parse_args()
    report(options.n, options.steps, options.workers, options.couplings)


if __name__ == "__main__":
    main()
