"""One Gram matrix over the rows of several workers: its rows are gathered. Layer 6."""

from dataclasses import replace
from typing import Any

import numpy as np

from ganntk.distributed.group import Handle
from ganntk.distributed.shard_worker import ShardWorker, Snapshot
from ganntk.distributed.strategy import Strategy, each, together
from ganntk.distributed.worker import Finished, Prepared
from ganntk.shards import join
from ganntk.synthesis import StepReport, check_finite, check_solved


class GatheredRows(Strategy):
    """The worker of rank 0 solves."""

    worker: type = ShardWorker

    def prepare(self) -> Prepared:
        """Load the data, then `start`."""
        return self.start(self.loaded())

    def start(self, prepared: Prepared) -> Prepared:
        """Share the work on K(X, X), and let the solver choose lam for the first points."""
        group = self._group
        self._keep_gram()
        (lam,) = group.get([group.submit(0, "choose_lam", *self._fill(group.map("points")))])
        return replace(prepared, lam=lam)

    def advance(self, first: int, steps: int) -> StepReport:
        """Queue the calls of all steps at once: workers wait for each other, not for the driver."""
        group, norms = self._group, []
        z = group.map("points")
        for step in range(first, first + steps):
            solved = group.submit(0, "solve", step, *self._fill(z))
            moved = group.map("move", solved, *z)
            # After the move, whatever order a worker takes its calls in.
            z = [group.submit(rank, "points", moved[rank]) for rank in range(group.size)]
            norms.append(moved)
        squares = np.reshape(group.get([one for step in norms for one in step]), (steps, -1))
        (reports,) = group.get([group.submit(0, "reports")])
        norm: Any = np.sqrt(squares.sum(axis=1))
        report = each(reports, np.stack)._replace(gradient_norm=norm)
        check_finite(first, report)
        check_solved(first, report, np.dtype(self._config.precision))
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
        self.load_again(new_ranks)
        if 0 in new_ranks:
            self._keep_gram()
        group.call("restore", snapshot)

    def finish(self) -> Finished:
        """Solve once more, then look at the rows where they are."""
        group = self._group
        solved = group.submit(0, "finish", *self._fill(group.map("points")))
        (last,) = group.get([solved])
        return together(group.call("look", *last))

    def d_elsewhere(self, others: np.ndarray) -> float | None:
        """The worker that solves reads it."""
        group = self._group
        z = group.map("points")
        blocks = self._fill(z)
        cuts = group.get(z)
        (found,) = group.get([group.submit(0, "d_elsewhere", others, cuts, *blocks)])
        return found

    def _keep_gram(self) -> None:
        group = self._group
        group.get([group.submit(0, "keep_gram", *group.map("share_of_gram"))])

    def _fill(self, z: list[Handle]) -> list[Handle]:
        return self._group.map("fill", *z)
