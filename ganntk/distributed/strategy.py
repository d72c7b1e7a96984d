"""What the driver asks of the workers, for each coupling. Layer 6."""

import abc
from collections.abc import Callable
from typing import Any

import numpy as np

from ganntk.config import RunConfig
from ganntk.coupling import Exact
from ganntk.distributed.group import Handle, WorkerGroup
from ganntk.distributed.shard_worker import ShardWorker, Snapshot
from ganntk.distributed.worker import Finished, Prepared, Worker
from ganntk.shards import join
from ganntk.synthesis import StepReport, check_finite, check_solved


class Strategy(abc.ABC):
    """A coupling on a group of workers."""

    worker: type

    def __init__(self, group: WorkerGroup, config: RunConfig) -> None:
        self._group, self._config = group, config

    @abc.abstractmethod
    def prepare(self) -> Prepared:
        """Load the data on every worker, draw the first points, choose lam."""

    @abc.abstractmethod
    def advance(self, first: int, steps: int) -> StepReport:
        """Take a block of steps, of which `first` were taken before; reports as arrays over it."""

    @abc.abstractmethod
    def points(self) -> np.ndarray:
        """All generated rows as they are, float32."""

    @abc.abstractmethod
    def snapshot(self) -> Any:
        """Everything that changes, on the driver."""

    @abc.abstractmethod
    def restore(self, snapshot: Any, new_ranks: tuple[int, ...]) -> None:
        """Go on from a snapshot, with some workers that know nothing yet."""

    @abc.abstractmethod
    def finish(self) -> Finished:
        """Look at all generated rows once more."""


class Sets(Strategy):
    """Whole sets of rows, dealt out to the workers; a single set is the exact coupling on one."""

    worker = Worker

    def prepare(self) -> Prepared:
        """Every worker for itself."""
        return self._group.call("prepare")[0]

    def advance(self, first: int, steps: int) -> StepReport:
        """Every worker for itself: the reports are means over the sets."""
        reports = [each for own in self._group.call("advance", steps) for each in own]
        return _each(reports, lambda series: np.mean(series, axis=0))

    def points(self) -> np.ndarray:
        """Set after set."""
        return np.concatenate(self._in_order(self._group.call("points")))

    def snapshot(self) -> list[list[Any]]:
        """The states of each worker's sets."""
        return self._group.call("snapshot")

    def restore(self, snapshot: list[list[Any]], new_ranks: tuple[int, ...]) -> None:
        """Give each worker its sets back."""
        group = self._group
        group.get([group.submit(rank, "prepare") for rank in new_ranks])
        group.get([group.submit(rank, "restore", own) for rank, own in enumerate(snapshot)])

    def finish(self) -> Finished:
        """Set after set; the loss is their mean."""
        parts = self._in_order(self._group.call("finish"))
        return _together(parts, float(np.mean([part.loss for part in parts])))

    def _in_order(self, by_worker: list[list[Any]]) -> list[Any]:
        """What each worker gave for its sets (rank, rank + workers, ...), by set."""
        count = sum(map(len, by_worker))
        return [by_worker[i % self._group.size][i // self._group.size] for i in range(count)]


class ExactShards(Strategy):
    """One Gram matrix over the rows of several workers; the one of rank 0 solves."""

    worker = ShardWorker

    def prepare(self) -> Prepared:
        """Load, share the work on K(X, X), and let the solver choose lam for the first points."""
        group = self._group
        prepared = group.call("prepare")[0]
        self._keep_gram()
        (lam,) = group.get([group.submit(0, "choose_lam", *self._fill(group.map("points")))])
        return Prepared(
            prepared.data_name, prepared.data_fingerprint, prepared.real, lam, prepared.device
        )

    def advance(self, first: int, steps: int) -> StepReport:
        """Queue the calls of all steps at once: workers wait for each other, not for the driver."""
        group, norms = self._group, []
        z = group.map("points")
        for _ in range(steps):
            solved = group.submit(0, "solve", *self._fill(z))
            moved = group.map("move", solved, *z)
            # After the move, whatever order a worker takes its calls in.
            z = [group.submit(rank, "points", moved[rank]) for rank in range(group.size)]
            norms.append(moved)
        squares = np.reshape(group.get([each for step in norms for each in step]), (steps, -1))
        (reports,) = group.get([group.submit(0, "reports")])
        norm: Any = np.sqrt(squares.sum(axis=1))
        report = _each(reports, np.stack)._replace(gradient_norm=norm)
        (lam,) = group.get([group.submit(0, "lam")])
        check_finite(first, report, lam)
        check_solved(first, report, lam, np.dtype(self._config.precision))
        return report

    def points(self) -> np.ndarray:
        """The rows of all workers, in their order."""
        return np.concatenate(self._group.call("points")).astype(np.float32)

    def snapshot(self) -> Snapshot:
        """The shards joined: as many workers as there are can be restored from it."""
        (lam,) = self._group.get([self._group.submit(0, "lam")])
        return Snapshot(lam, join(self._group.call("snapshot")))

    def restore(self, snapshot: Snapshot, new_ranks: tuple[int, ...]) -> None:
        """Cut the snapshot for the workers; a new solver needs K(X, X) again."""
        group = self._group
        group.get([group.submit(rank, "prepare") for rank in new_ranks])
        if 0 in new_ranks:
            self._keep_gram()
        group.call("restore", snapshot)

    def finish(self) -> Finished:
        """Solve once more, then look at the rows where they are."""
        group = self._group
        solved = group.submit(0, "finish", *self._fill(group.map("points")))
        ((loss, d),) = group.get([solved])
        return _together(group.call("look", d, loss), loss)

    def _keep_gram(self) -> None:
        group = self._group
        group.get([group.submit(0, "keep_gram", *group.map("share_of_gram"))])

    def _fill(self, z: list[Handle]) -> list[Handle]:
        return self._group.map("fill", *z)


def strategy_for(config: RunConfig) -> type[Strategy]:
    """How a run's coupling is carried out."""
    is_shared = isinstance(config.coupling, Exact) and config.cluster.workers > 1
    return ExactShards if is_shared else Sets


def _each(reports: list[StepReport], join: Callable[[Any], Any]) -> StepReport:
    """One report of several, series by series."""
    return StepReport(*map(join, zip(*reports, strict=True)))


def _together(parts: list[Finished], loss: float) -> Finished:
    return Finished(
        points=np.concatenate([part.points for part in parts]),
        d=np.concatenate([part.d for part in parts]),
        nearest_real=np.concatenate([part.nearest_real for part in parts]),
        nearest_distance=np.concatenate([part.nearest_distance for part in parts]),
        loss=loss,
    )
