r"""The Gram matrix of real rows stacked on points, in its blocks, and its solution. Layer 3.

K(X, X) never changes and is computed once; K(Z, [Z; X]) is new in each step. Nothing puts them
together unless a solver wants the whole matrix.
"""

import functools
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ganntk import discriminator
from ganntk.discriminator import LossAndCotangent, Operator, Solver, Spectrum
from ganntk.generators import Points
from ganntk.kernels import Kernel, gram
from ganntk.lam import Lam, Searched
from ganntk.objectives import Objective
from ganntk.typing import Block, Cotangent, Gram, Labels, LowRank, Rows, Scalar


@dataclass(frozen=True)
class Problem:
    """Everything about a synthesis that does not change while it runs.

    Args:
        kernel: architecture of the infinitely wide discriminator.
        objective: what the generated rows ask of its predictions.
        optimizer: optax's pair of functions.
        points: the generated rows' start and range.
        diagonal: relative regulariser of the Gram matrix's diagonal.
        memory_bytes: budget for the feature maps of one tile; None for the kernels' default.
        solver: of the discriminator's matrix function; `auto` chooses by the number of rows.
        lam: the rule for the discriminator's training time.
        similarity: weight of a penalty on generated rows that resemble real ones.
    """

    kernel: Kernel
    objective: Objective
    optimizer: optax.GradientTransformation
    points: Points
    diagonal: float = 0.0
    memory_bytes: int | None = None
    solver: Solver = "auto"
    lam: Lam = field(default_factory=Searched)
    similarity: float = 0.0


class Real(NamedTuple):
    """The real rows and what is computed from them once."""

    rows: Rows
    gram: Gram


def solver_dtype() -> jnp.dtype:
    """float64 where the caller's context allows it: the matrix function is cheap beside kernels."""
    return jnp.asarray(0.0).dtype


def with_gram(problem: Problem, x: Rows, K: Gram) -> Real:
    """Real rows with their Gram matrix, in the type that the solver takes.

    `eigh` takes it in float64. `lanczos` takes float32 entries as they are, in half the memory.
    """
    chosen = discriminator.solver_for(problem.solver, len(x) + (problem.points.count or len(x)))
    return Real(x, K.astype(solver_dtype()) if chosen == "eigh" else K)


def solve(problem: Problem, real: Real, block: Block, lam: Scalar) -> LossAndCotangent:
    """The objective, the predictions on all rows and dL/dK.

    Args:
        problem: what does not change.
        real: real rows, n.
        block: the kernel of points with points and real rows, (m, m + n), typed as `real.gram`.
        lam: training time.
    """
    y = discriminator.labels(len(real.rows), len(block), solver_dtype())
    objective, diagonal = problem.objective, problem.diagonal
    if discriminator.solver_for(problem.solver, len(y)) == "lanczos":
        return _by_lanczos(objective, diagonal, real.gram, block, y, lam)
    K = _whole(real.gram, block)
    return discriminator.loss_and_cotangent(K, y, lam, objective=objective, diagonal=diagonal)


def spectrum_of(problem: Problem, real: Real, block: Block, y: Labels) -> Spectrum:
    """The spectrum of K, whole or as far as the labels see it: what a rule for lam looks at."""
    if discriminator.solver_for(problem.solver, len(y)) == "lanczos":
        return _partial_spectrum(problem.diagonal, real.gram, block, y)
    return discriminator.spectrum(_whole(real.gram, block), diagonal=problem.diagonal)


LARGEST_ELSEWHERE = 4096
"""Rows, real and generated, up to which D is read at others: it takes a decomposition of K."""


def elsewhere(
    problem: Problem, real: Real, points: Rows, block: Block, lam: Scalar, others: Rows
) -> Float[Array, " others"] | None:
    """The discriminator at rows that are neither real rows nor points of the run.

    Args:
        problem: what does not change.
        real: real rows, n.
        points: generated rows, m.
        block: the kernel of points with points and real rows, (m, m + n).
        lam: training time.
        others: rows to read it at.

    Returns:
        A value for each of them, or None beyond `LARGEST_ELSEWHERE` rows.
    """
    n, m = len(real.rows), len(points)
    if n + m > LARGEST_ELSEWHERE:
        return None
    dtype = solver_dtype()
    K = _whole(real.gram.astype(dtype), block.astype(dtype))
    eigen = discriminator.spectrum(K, diagonal=problem.diagonal)
    seen = jnp.concatenate([real.rows, points])
    read = gram(problem.kernel, others, seen, memory_bytes=problem.memory_bytes).astype(dtype)
    return discriminator.predict_elsewhere(
        eigen, discriminator.labels(n, m, dtype), jnp.asarray(lam, dtype), read
    )


def moving_rows(G: Cotangent, real: int) -> Cotangent:
    """The rows of dL/dK that belong to points, against points and then the real rows.

    Args:
        G: against real rows and then points, (n + m, n + m), or its factors.
        real: n.
    """
    if isinstance(G, LowRank):
        return LowRank(G.left[real:], _points_first(G.right, real), G.identity)
    return _points_first(G[real:].T, real).T


def _points_first(rows: Array, real: int) -> Array:
    return jnp.concatenate([rows[real:], rows[:real]])


# Compiled for the calls outside a step; inside one they are part of it.
@functools.partial(jax.jit, static_argnums=0)
def _partial_spectrum(diagonal: float, among: Gram, block: Block, y: Labels) -> Spectrum:
    return discriminator.partial_spectrum(_operator(among, block), y, diagonal=diagonal)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _by_lanczos(
    objective: Objective, diagonal: float, among: Gram, block: Block, y: Labels, lam: Scalar
) -> LossAndCotangent:
    return discriminator.by_lanczos(
        _operator(among, block), y, lam, objective=objective, diagonal=diagonal
    )


def _whole(among: Gram, block: Block) -> Gram:
    m = len(block)
    cross = block[:, m:]
    return jnp.block([[among, cross.T], [cross, block[:, :m]]])


def _operator(among: Gram, block: Block) -> Operator:
    """The same matrix by its products, without putting its parts together."""
    n, m = len(among), len(block)
    within, cross = block[:, :m], block[:, m:]

    def product(v: Float[Array, "rows width"]) -> Float[Array, "rows width"]:
        x, z = v[:n], v[n:]
        times = discriminator.times
        real = times(among, x) + times(cross, z, contract=0)
        return jnp.concatenate([real, times(within, z) + times(cross, x)])

    return Operator(product, among.dtype, jnp.trace(among) + jnp.trace(within))
