"""Whole sets of generated rows, dealt out to the workers. Layer 6."""

from dataclasses import replace
from typing import Any

import numpy as np

from ganntk.distributed.strategy import Strategy, each, together
from ganntk.distributed.worker import BatchWorker, Finished, Prepared, Worker
from ganntk.synthesis import StepReport, SynthesisState


class Sets(Strategy):
    """Nothing is exchanged between sets; a single one is the exact coupling on one worker."""

    worker: type = Worker

    def prepare(self) -> Prepared:
        """Every worker for itself; lam is the mean over the sets."""
        prepared = self.loaded()
        lams = self._in_order(self._group.call("lams"))
        return replace(prepared, lam=float(np.mean(lams)))

    def advance(self, first: int, steps: int) -> StepReport:
        """Every worker for itself: the reports are means over the sets."""
        reports = self._in_order(self._group.call("advance", steps))
        return each(reports, lambda series: np.mean(series, axis=0))

    def points(self) -> np.ndarray:
        """Set after set."""
        return np.concatenate(self._in_order(self._group.call("points")))

    def snapshot(self) -> list[SynthesisState]:
        """The state of each set."""
        return self._in_order(self._group.call("snapshot"))

    def restore(self, snapshot: list[SynthesisState], new_ranks: tuple[int, ...]) -> None:
        """Give each worker its sets."""
        group = self._group
        self.load_again(new_ranks)
        dealt = [snapshot[rank :: group.size] for rank in range(group.size)]
        group.get([group.submit(rank, "restore", own) for rank, own in enumerate(dealt)])

    def finish(self) -> Finished:
        """Set after set; the loss is their mean."""
        return together(self._in_order(self._group.call("finish")))

    def d_elsewhere(self, others: np.ndarray) -> float | None:
        """Of the first set."""
        (found,) = self._group.get([self._group.submit(0, "d_elsewhere", others)])
        return found

    def _in_order(self, by_worker: list[list[Any]]) -> list[Any]:
        """What each worker gave for its sets (rank, rank + workers, ...), by set."""
        count = sum(map(len, by_worker))
        return [by_worker[i % self._group.size][i // self._group.size] for i in range(count)]


class BatchedSets(Sets):
    """The same in small random batches."""

    worker = BatchWorker

    def d_elsewhere(self, others: np.ndarray) -> None:
        """A row has another discriminator in each batch."""
