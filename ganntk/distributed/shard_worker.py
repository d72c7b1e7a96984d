"""Workers that own shares of the rows of one Gram matrix. Layer 6.

Rows of K are filled where their points are, gathered by the worker of rank 0, which solves for
$G = dL/dK$, and G goes back to the owners of its rows: what travels in a step is Z, K(Z, .) and G.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ganntk import discriminator, shards, synthesis
from ganntk.config import RunConfig
from ganntk.distributed.device import OnDevice
from ganntk.distributed.shared import ALONE, Shared, data_key, gram_key
from ganntk.distributed.worker import Finished, Prepared, finished_of, problem_of
from ganntk.errors import InputError
from ganntk.kernels import gram
from ganntk.shards import Shard
from ganntk.stacked import Real, elsewhere, moving_rows, solve, solver_dtype, spectrum_of, with_gram
from ganntk.synthesis import StepReport
from ganntk.typing import Block, Cotangent, LowRank, Rows

Cut = Float[np.ndarray, "rows ..."]
"""Rows of an array that one worker owns, as they travel."""


class Snapshot(NamedTuple):
    """Everything about a run that changes, whoever owned it."""

    lam: float
    shard: Shard


class ShardWorker(OnDevice):
    """One device, and a share of the generated rows; a plain object, with or without Ray."""

    def __init__(self, config: RunConfig, rank: int = 0, shared: Shared = ALONE) -> None:
        self._config, self._rank, self._shared = config, rank, shared
        self._workers = config.cluster.workers
        self._problem = problem_of(config)
        self._x: Rows = jnp.zeros((0,))
        self._gram: Block | None = None
        self._shard: Shard | None = None
        self._lam = 0.0
        self._reports: list[StepReport] = []

    def prepare(self) -> Prepared:
        """Load the data, and draw this share of the first points."""
        config, problem = self._config, self._problem
        dataset = self._shared.value(data_key(config), config.data.load)
        self._training = dataset.training
        with synthesis.numerics():
            self._x = jnp.asarray(dataset.rows, config.precision)
            count = config.points.count or len(dataset.rows)
            if min(count, len(self._x)) < self._workers:
                raise InputError(
                    f"{len(self._x)} real and {count} generated rows for {self._workers} workers: "
                    "expected at least one of each for every worker; take fewer workers"
                )
            drawn = synthesis.first_points(problem, self._x, seed=config.seed)
            whole = Shard(drawn, problem.optimizer.init(drawn))
            self._shard = shards.split(whole, self._workers)[self._rank]
        return Prepared(
            data_name=dataset.name,
            data_fingerprint=dataset.fingerprint,
            real=dataset.rows,
            training=dataset.training,
            lam=0.0,
            device=self.device_name(),
            gram_real=len(dataset.rows),
        ).of(self._rank)

    def share_of_gram(self) -> Cut:
        """This worker's rows of K(X, X), once per run."""
        own = shards.share(len(self._x), self._workers, self._rank)

        def make() -> Cut:
            with synthesis.numerics():
                return np.asarray(gram(self._problem.kernel, self._x[own], self._x))

        return self._shared.value(gram_key(self._config, f"{self._rank}of{self._workers}"), make)

    def keep_gram(self, *cuts: Cut) -> None:
        """Keep K(X, X), from everybody's rows: of the worker that solves."""
        with synthesis.numerics():
            K = jnp.concatenate([jnp.asarray(cut) for cut in cuts])
            self._gram = (K + K.T) / 2

    def points(self, *after: float) -> Cut:
        """This worker's generated rows, in the precision of the run, once `after` is there."""
        return np.asarray(self._own().points)

    def fill(self, *cuts: Cut) -> Cut:
        """This worker's rows of K, given everybody's generated rows."""
        with synthesis.numerics():
            z = jnp.concatenate([jnp.asarray(cut) for cut in cuts])
            return np.asarray(shards.fill(self._problem, self._own().points, z, self._x))

    def choose_lam(self, *blocks: Cut) -> float:
        """Choose lam for the first points: of the worker that solves."""
        with synthesis.numerics():
            real, block = self._solving(blocks)
            y = discriminator.labels(len(self._x), len(block), solver_dtype())
            spectrum = spectrum_of(self._problem, real, block, y)
            self._lam = float(self._config.lam.choose(spectrum, y))
        return self._lam

    def lam(self) -> float:
        """The training time in force: of the worker that solves."""
        return self._lam

    def solve(self, step: int, *blocks: Cut) -> list[Cotangent]:
        """Solve for D and G, and cut the rows of G by their owners: of the worker that solves."""
        with synthesis.numerics():
            real, block = self._solving(blocks)
            lam = jnp.asarray(self._lam, solver_dtype())
            found = solve(self._problem, real, block, lam)
            n = len(self._x)
            self._reports.append(synthesis.report_of(found, n, lam))
            self._lam = float(synthesis.lam_after(self._problem, found, jnp.asarray(step), lam))
            moving = moving_rows(found.cotangent, n)
            travelling = jax.tree.map(lambda a: np.asarray(a, self._x.dtype), moving)
        return [
            rows_of(travelling, shards.share(len(block), self._workers, rank))
            for rank in range(self._workers)
        ]

    def move(self, cotangents: list[Cotangent], *cuts: Cut) -> float:
        """Move this worker's rows; the squared norm of their gradient."""
        with synthesis.numerics():
            z = jnp.concatenate([jnp.asarray(cut) for cut in cuts])
            self._shard, square = shards.move(
                self._problem, self._own(), z, self._x, cotangents[self._rank]
            )
            return float(square)

    def reports(self) -> list[StepReport]:
        """The reports since the last call, without the norms of gradients: who solves has them."""
        # As NumPy: a process without 64-bit types would read arrays of JAX as float32.
        reports, self._reports = jax.tree.map(np.asarray, self._reports), []
        return reports

    def snapshot(self) -> Shard:
        """This worker's rows and the state of their optimiser, as NumPy arrays."""
        return jax.tree.map(np.asarray, self._own())

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot of the whole run, on however many workers it was taken."""
        self._reports, self._lam = [], snapshot.lam
        with synthesis.numerics():
            own = shards.split(snapshot.shard, self._workers)[self._rank]
            self._shard = jax.tree.map(jnp.asarray, own)

    def finish(self, *blocks: Cut) -> Any:
        """D on the generated rows as they are, the loss and lam: of the worker that solves."""
        with synthesis.numerics():
            real, block = self._solving(blocks)
            lam = jnp.asarray(self._lam, solver_dtype())
            found = solve(self._problem, real, block, lam)
            return np.asarray(found.predictions[len(self._x) :]), float(found.loss), self._lam

    def d_elsewhere(self, others: Cut, z: list[Cut], *blocks: Cut) -> float | None:
        """Mean D at rows that the run does not learn from: of the worker that solves."""
        with synthesis.numerics():
            real, block = self._solving(blocks)
            points = jnp.concatenate([jnp.asarray(cut) for cut in z])
            rows = jnp.asarray(others, self._x.dtype)
            found = elsewhere(self._problem, real, points, block, jnp.asarray(self._lam), rows)
            return None if found is None else float(found.mean())

    def look(self, d: Float[np.ndarray, " m"], loss: float, lam: float) -> Finished:
        """This worker's rows at the end, and what is known of each."""
        points = np.asarray(self._own().points, np.float32)
        own = shards.share(len(d), self._workers, self._rank)
        return finished_of(
            self._config.data,
            points,
            d[own],
            self._training,
            rank=self._rank,
            loss=loss,
            lam=lam,
        )

    def _solving(self, blocks: tuple[Cut, ...]) -> tuple[Real, Block]:
        if self._gram is None:
            raise RuntimeError("the worker that solves needs K(X, X): keep_gram() comes first")
        block = jnp.concatenate([jnp.asarray(cut) for cut in blocks])
        real = with_gram(self._problem, self._x, self._gram)
        return real, block.astype(real.gram.dtype)

    def _own(self) -> Shard:
        if self._shard is None:
            raise RuntimeError("a worker's first call is prepare()")
        return self._shard


def rows_of(cotangent: Cotangent, rows: slice) -> Cotangent:
    """Some rows of a cotangent."""
    if isinstance(cotangent, LowRank):
        return cotangent._replace(left=cotangent.left[rows])
    return cotangent[rows]
