"""Runs without a folder: their numbers in the precision that they have.

As a program, ``python -m tests.distributed.outcomes``: the exact coupling on one to four workers,
in this process and on Ray; prints the largest difference from one device as JSON.
"""

import json
import sys
from typing import Any, NamedTuple

import jax
import numpy as np

from ganntk import config
from ganntk.distributed.choice import strategy_for
from ganntk.distributed.group import open_group
from ganntk.distributed.strategy import each
from ganntk.distributed.worker import Finished
from ganntk.synthesis import StepReport


class Outcome(NamedTuple):
    """A run without its folder, in the precision that it has."""

    lam: float
    report: StepReport
    snapshot: Any
    finished: Finished


def outcome(words: list[str], steps: int = 6) -> Outcome:
    """Some steps with a snapshot in the middle that the run goes on from."""
    given = config.load(None, words)
    chosen = strategy_for(given)
    with open_group(chosen.worker, given) as group:
        strategy = chosen(group, given)
        lam = strategy.prepare().lam
        half = steps // 2
        first = strategy.advance(0, half)
        strategy.restore(strategy.snapshot(), ())
        second = strategy.advance(half, steps - half)
        report = each([first, second], np.concatenate)
        return Outcome(lam, report, strategy.snapshot(), strategy.finish())


def differences(wanted: Outcome, found: Outcome) -> float:
    """The largest difference of a row, of D on it, or, relative to it, of the objective."""
    ours, theirs = found.finished, wanted.finished
    loss = np.abs(found.report.loss / wanted.report.loss - 1).max()
    # A snapshot holds rows as they are; `Finished` has them in float32.
    rows = [_rows(each.snapshot) for each in (found, wanted)]
    d = np.abs(ours.d - theirs.d).max()
    return float(np.max([loss, np.abs(rows[0] - rows[1]).max(), d]))  # a NaN is the largest


def _rows(snapshot: Any) -> np.ndarray:
    large = [leaf for leaf in jax.tree.leaves(snapshot) if np.ndim(leaf) > 1]
    return np.asarray(large[0])


def main() -> None:
    """Fifty steps each."""
    words = ["--kernel", "cnn-small", "--data.size", "24", "--points.count", "21", "--lam", "2"]
    words += ["--precision", "float64", "--report_every", "25", *sys.argv[1:]]
    words += ["--cluster.cpus_per_worker", "0.4"]
    alone, found = outcome(words, steps=50), {}
    for address in ("none", "local"):
        for workers in range(1, 5):
            where = ["--cluster.workers", str(workers), "--cluster.address", address]
            other = outcome([*words, *where], steps=50)
            found[f"{address}, {workers}"] = differences(alone, other)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
