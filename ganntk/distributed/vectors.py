"""One Gram matrix over the rows of several workers: vectors travel, K stays. Layer 6.

The driver runs Lanczos; a product is one call of every worker. What a step exchanges are vectors
and the low-rank factors of G, so a Gram matrix may be larger than any device.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ganntk import discriminator, synthesis
from ganntk.discriminator import LossAndCotangent, Operator
from ganntk.distributed.exact import GatheredRows
from ganntk.distributed.group import Handle
from ganntk.distributed.shard_worker import Snapshot
from ganntk.distributed.strategy import each, together
from ganntk.distributed.vector_worker import Part, VectorWorker
from ganntk.distributed.worker import Finished, Prepared, problem_of
from ganntk.shards import join
from ganntk.stacked import moving_rows, solver_dtype
from ganntk.synthesis import StepReport
from ganntk.typing import Labels, LowRank


class Vectors(GatheredRows):
    """The exact coupling without a worker that holds K."""

    worker = VectorWorker

    def start(self, prepared: Prepared) -> Prepared:
        """Keep shares of K(X, X), and choose lam for the first points."""
        group = self._group
        self._real = len(prepared.real)
        self._count = self._config.points.count or self._real
        self._problem = problem_of(self._config)
        self._trace_among = sum(group.call("keep_share"))
        operator = self._operator(self._fill_rows(group.map("points")))
        with synthesis.numerics():
            y = self._labels()
            spectrum = discriminator.partial_spectrum(
                operator, y, diagonal=self._problem.diagonal, loop=discriminator.on_host
            )
            self._lam = self._config.lam.choose(spectrum, y)
        return replace(prepared, lam=self._lam)

    def advance(self, first: int, steps: int) -> StepReport:
        """Step by step: the driver is in the loop of every product."""
        group, reports = self._group, []
        for step in range(first, first + steps):
            z = group.map("points")
            found = self._solve(z)
            with synthesis.numerics():
                lam = jnp.asarray(self._lam, solver_dtype())
                report = synthesis.report_of(found, self._real, self._lam)
                self._lam = float(synthesis.lam_after(self._problem, found, jnp.asarray(step), lam))
                cotangent = group.put(self._travelling(found))
            squares = group.call("move_along", cotangent, *z)
            reports.append(report._replace(gradient_norm=np.sqrt(sum(squares))))
        report = each(reports, np.stack)
        synthesis.check_finite(first, report)
        synthesis.check_solved(first, report, np.dtype(self._config.precision))
        return report

    def snapshot(self) -> Snapshot:
        """The shards joined, and lam."""
        return Snapshot(self._lam, join(self._group.call("snapshot")))

    def restore(self, snapshot: Snapshot, new_ranks: tuple[int, ...]) -> None:
        """Cut the snapshot for the workers; a new one computes its share of K(X, X) again."""
        group = self._group
        self.load_again(new_ranks)
        group.get([group.submit(rank, "keep_share") for rank in new_ranks])
        group.call("restore", snapshot)
        self._lam = float(snapshot.lam)

    def finish(self) -> Finished:
        """Solve once more, then look at the rows where they are."""
        found = self._solve(self._group.map("points"))
        d = np.asarray(found.predictions[self._real :])
        return together(self._group.call("look", d, float(found.loss), self._lam))

    def d_elsewhere(self, others: np.ndarray) -> None:
        """Nobody has the rows of K together."""

    def _solve(self, z: list[Handle]) -> LossAndCotangent:
        operator = self._operator(self._fill_rows(z))
        problem = self._problem
        with synthesis.numerics():
            return discriminator.by_lanczos(
                operator,
                self._labels(),
                self._lam,
                objective=problem.objective,
                diagonal=problem.diagonal,
                loop=discriminator.on_host,
            )

    def _fill_rows(self, z: list[Handle]) -> float:
        """Let every worker compute its rows of K; the trace of K(Z, Z)."""
        return sum(self._group.call("keep_rows", *z))

    def _operator(self, trace: float) -> Operator:
        """K of all rows by its products, with the trace of K(Z, Z) given."""
        group = self._group

        def product(v: Float[Array, "rows width"]) -> Float[Array, "rows width"]:
            parts: list[Part] = group.call("multiply", group.put(np.asarray(v)))
            # Summed in the order of the workers.
            real = np.sum([part.real for part in parts], axis=0)
            return jnp.asarray(np.concatenate([real, *(part.points for part in parts)]))

        dtype = jnp.dtype(self._config.precision)
        return Operator(product, dtype, jnp.asarray(self._trace_among + trace))

    def _labels(self) -> Labels:
        return discriminator.labels(self._real, self._count, solver_dtype())

    def _travelling(self, found: LossAndCotangent) -> LowRank:
        """The points' rows of G in the precision of the rows, without most columns of no rank."""
        moving = moving_rows(found.cotangent, self._real)
        assert isinstance(moving, LowRank)
        precision = self._config.precision
        return jax.tree.map(lambda a: np.asarray(a, precision), trimmed(moving))


def trimmed(factors: LowRank) -> LowRank:
    """The same matrix, without most of the columns whose right side is zero.

    As many stay as make their number a power of two: how many products a step takes changes along a
    run, and workers compile anew for each number of columns that they see.
    """
    is_used = np.any(np.asarray(factors.right) != 0, axis=0)
    count = 1 << max(int(is_used.sum()) - 1, 0).bit_length()
    kept = np.argsort(~is_used, kind="stable")[:count]
    return factors._replace(left=factors.left[:, kept], right=factors.right[:, kept])
