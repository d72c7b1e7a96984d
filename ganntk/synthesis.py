r"""GA-NTK on one device: the algorithm of Zhang et al. 2022, as pure functions. Layer 3.

Real rows X are constant, generated rows Z move. A step fills the Gram matrix of both, reads the
discriminator D and the objective's cotangent G = dL/dK off it in closed form, and pulls G back
through the kernel to Z. K(X, X) is computed once.
"""

import contextlib
import functools
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int
from threadpoolctl import threadpool_limits

from ganntk import discriminator
from ganntk.discriminator import LossAndCotangent, Operator, Solver, Spectrum
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.generators import Points
from ganntk.kernels import Kernel, gram, gram_of_moving, pullback_of_moving
from ganntk.lam import Lam
from ganntk.objectives import Objective
from ganntk.typing import Block, Cotangent, Count, Gram, Labels, LowRank, Rows, Scalar

_log = logging.getLogger(__name__)

_SOLVER_THREADS = 1

# Compiled once each, for the calls outside a step.
_gram = jax.jit(gram, static_argnums=0, static_argnames="memory_bytes")
_gram_of_moving = jax.jit(gram_of_moving, static_argnums=0, static_argnames="memory_bytes")

# Purposes of random numbers: each is folded into the run's key, so that none shares a stream.
_START = 0


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
    """

    kernel: Kernel
    objective: Objective
    optimizer: optax.GradientTransformation
    points: Points
    diagonal: float = 0.0
    memory_bytes: int | None = None
    solver: Solver = "auto"


class Real(NamedTuple):
    """The real rows and what is computed from them once."""

    rows: Rows
    gram: Gram


class SynthesisState(NamedTuple):
    """What a step changes, and all that a checkpoint needs."""

    step: Count
    points: Rows
    optimizer: optax.OptState
    lam: Scalar


class StepReport(NamedTuple):
    """Facts about one step, before its update; arrays over the steps of a block."""

    loss: Float[Array, " steps"]
    d_real: Float[Array, " steps"]
    d_points: Float[Array, " steps"]
    gradient_norm: Float[Array, " steps"]
    eigenvalue_min: Float[Array, " steps"]
    eigenvalue_max: Float[Array, " steps"]
    products: Int[Array, " steps"]
    residual: Float[Array, " steps"]


@contextlib.contextmanager
def numerics() -> Iterator[None]:
    """The numerical context that every function below expects; it touches no global setting of JAX.

    float64 is allowed, for the matrix function; kernels keep the precision of their rows. LAPACK
    works in one thread: on the small matrices of a step its threads wait for one another, and on a
    busy machine an eigendecomposition of 128 rows takes 110 ms instead of 2.
    """
    with threadpool_limits(_SOLVER_THREADS, user_api="blas"), jax.enable_x64(True):
        yield


def prepare(
    problem: Problem, rows: Rows, *, precision: Literal["float32", "float64"] = "float32"
) -> Real:
    """Put the real rows on the device and compute their Gram matrix, once per run.

    `eigh` takes it in float64. `lanczos` takes float32 entries as they are, in half the memory.
    """
    x = jnp.asarray(rows, precision)
    K = _gram(problem.kernel, x, memory_bytes=problem.memory_bytes)
    chosen = discriminator.solver_for(problem.solver, len(x) + (problem.points.count or len(x)))
    return Real(x, K.astype(_solver_dtype()) if chosen == "eigh" else K)


def init(problem: Problem, real: Real, lam: Lam, *, seed: int) -> SynthesisState:
    r"""Draw the first points and choose $\lambda$ for them."""
    key = jax.random.fold_in(jax.random.key(seed), _START)
    count = problem.points.count or len(real.rows)
    points = problem.points.init(key, count, real.rows.shape[1:], real.rows.dtype)
    y = discriminator.labels(len(real.rows), count, _solver_dtype())
    chosen = lam.choose(_spectrum(problem, real, points, y), y)
    return SynthesisState(
        step=jnp.zeros((), jnp.int32),
        points=points,
        optimizer=problem.optimizer.init(points),
        lam=jnp.asarray(chosen, _solver_dtype()),
    )


def evaluate(problem: Problem, real: Real, points: Rows, lam: Scalar) -> LossAndCotangent:
    """The objective, the predictions on all rows and dL/dK, at given points."""
    y = discriminator.labels(len(real.rows), len(points), _solver_dtype())
    block = _block(problem, real, points)
    objective, diagonal = problem.objective, problem.diagonal
    if discriminator.solver_for(problem.solver, len(y)) == "lanczos":
        return _by_lanczos(objective, diagonal, real.gram, block, y, lam)
    K = _whole(real.gram, block)
    return discriminator.loss_and_cotangent(K, y, lam, objective=objective, diagonal=diagonal)


def gradient(problem: Problem, real: Real, points: Rows, cotangent: Cotangent) -> Rows:
    r"""Pull $G = dL/dK$ back to the generated rows.

    $dL/dz_a = 2\sum_i G_{ai}\,\partial k(z_a, x_i) + \partial_{z_a} \sum_{bc} G_{bc}\,k(z_b, z_c)$;
    the block of real rows is constant. Two factors of G are not multiplied out.
    """
    moving = _moving(jax.tree.map(lambda a: jnp.asarray(a, points.dtype), cotangent), real)
    slope = pullback_of_moving(
        problem.kernel, points, real.rows, moving, memory_bytes=problem.memory_bytes
    )
    if isinstance(cotangent, LowRank):
        # Of c I only the entries k(z, z) move.
        diagonal, pull = jax.vjp(problem.kernel.diagonal, points)
        slope += pull(jnp.full_like(diagonal, cotangent.identity))[0]
    return slope


def _moving(G: Cotangent, real: Real) -> Cotangent:
    """The rows of G that belong to points, against points and real rows."""
    n = len(real.rows)
    # The block of generated and real rows stands twice in K.
    if isinstance(G, LowRank):
        return LowRank(G.left[n:], jnp.concatenate([G.right[n:], 2 * G.right[:n]]))
    return jnp.concatenate([G[n:, n:], 2 * G[n:, :n]], axis=1)


def step(problem: Problem, real: Real, state: SynthesisState) -> tuple[SynthesisState, StepReport]:
    """Move the generated rows once."""
    found = evaluate(problem, real, state.points, state.lam)
    slope = gradient(problem, real, state.points, found.cotangent)
    updates, optimizer = problem.optimizer.update(slope, state.optimizer, state.points)
    moved: Any = optax.apply_updates(state.points, updates)
    points = problem.points.project(moved)
    n = len(real.rows)
    report = StepReport(
        loss=found.loss,
        d_real=jnp.mean(found.predictions[:n]),
        d_points=jnp.mean(found.predictions[n:]),
        gradient_norm=jnp.linalg.norm(slope).astype(found.loss.dtype),
        eigenvalue_min=found.eigenvalues[0],
        eigenvalue_max=found.eigenvalues[-1],
        products=found.products,
        residual=found.residual,
    )
    return SynthesisState(state.step + 1, points, optimizer, state.lam), report


@functools.partial(jax.jit, static_argnums=(0, 4))
def _advance(
    problem: Problem, real: Real, state: SynthesisState, steps: Count, longest: int
) -> tuple[SynthesisState, StepReport]:
    """Run `steps` <= `longest` steps in one call: one compilation serves blocks of any length."""
    _, shape = jax.eval_shape(lambda: step(problem, real, state))
    reports = jax.tree.map(lambda leaf: jnp.zeros((longest, *leaf.shape), leaf.dtype), shape)

    def body(i: Count, carry: tuple) -> tuple:
        state, reports = carry
        state, report = step(problem, real, state)
        return state, jax.tree.map(lambda all_, one: all_.at[i].set(one), reports, report)

    return jax.lax.fori_loop(0, steps, body, (state, reports))


def advance(
    problem: Problem, real: Real, state: SynthesisState, *, steps: int, longest: int | None = None
) -> tuple[SynthesisState, StepReport]:
    """Run a block of steps without returning to the host in between.

    Args:
        problem: what does not change.
        real: from `prepare`.
        state: where to start.
        steps: how many steps, at least one.
        longest: the longest block that will be asked for; one compilation serves them all.

    Returns:
        The state after the block, and the report of each step.

    Raises:
        NonFiniteObjectiveError: the objective or the gradient is not finite.
    """
    longest = longest or steps
    if not 1 <= steps <= longest:
        raise InputError(f"a block of {steps} steps: expected between 1 and {longest}")
    first = int(state.step)
    state, padded = _advance(problem, real, state, jnp.asarray(steps), longest)
    report = jax.tree.map(lambda leaf: leaf[:steps], padded)
    _check_finite(first, report, float(state.lam))
    _check_solved(first, report, float(state.lam), real.gram.dtype)
    return state, report


def _check_finite(first: int, report: StepReport, lam: float) -> None:
    finite = jnp.isfinite(report.loss) & jnp.isfinite(report.gradient_norm)
    if bool(jnp.all(finite)):
        return
    bad = int(jnp.argmin(finite))
    raise NonFiniteObjectiveError(
        f"step {first + bad}: loss {float(report.loss[bad])}, gradient norm "
        f"{float(report.gradient_norm[bad])} at lam {lam:.6g} with eigenvalues in "
        f"[{float(report.eigenvalue_min[bad]):.3g}, {float(report.eigenvalue_max[bad]):.3g}]: "
        "take a smaller learning rate, or precision float64"
    )


def _check_solved(first: int, report: StepReport, lam: float, dtype: jnp.dtype) -> None:
    """Say when Lanczos ended before it converged: the run goes on, and is not what was asked."""
    worst = int(jnp.argmax(report.residual))
    residual = float(report.residual[worst])
    enough = discriminator.tolerance(dtype, report.residual.dtype)
    if residual > enough:
        _log.warning(
            "step %d: lanczos ended after %d products with a residual of %.1e, and %.0e was "
            "expected, at lam %.6g: predictions and gradients are inexact; take a smaller lam, or "
            "solver eigh",
            first + worst,
            int(report.products[worst]),
            residual,
            enough,
            lam,
        )


def _spectrum(problem: Problem, real: Real, points: Rows, y: Labels) -> Spectrum:
    block = _block(problem, real, points)
    if discriminator.solver_for(problem.solver, len(y)) == "lanczos":
        return _partial_spectrum(problem.diagonal, real.gram, block, y)
    return discriminator.spectrum(_whole(real.gram, block), diagonal=problem.diagonal)


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


def _block(problem: Problem, real: Real, points: Rows) -> Block:
    """The kernel of points with points and real rows, in the precision of the Gram matrix."""
    block = _gram_of_moving(problem.kernel, points, real.rows, memory_bytes=problem.memory_bytes)
    return block.astype(real.gram.dtype)


def _whole(among: Gram, block: Block) -> Gram:
    """The Gram matrix of real rows stacked on points."""
    m = len(block)
    cross = block[:, m:]
    return jnp.block([[among, cross.T], [cross, block[:, :m]]])


def _operator(among: Gram, block: Block) -> Operator:
    """The same matrix by its products, without a second copy of its parts."""
    n, m = len(among), len(block)

    def product(v: Float[Array, "rows width"]) -> Float[Array, "rows width"]:
        x, z = v[:n], v[n:]
        real = discriminator.times(among, x) + discriminator.times(block, z, contract=0)[m:]
        return jnp.concatenate([real, discriminator.times(block, jnp.concatenate([z, x]))])

    trace = jnp.trace(among) + jnp.trace(block[:, :m])
    return Operator(product, among.dtype, trace)


def _solver_dtype() -> jnp.dtype:
    """float64 where the caller's context allows it: the matrix function is cheap beside kernels."""
    return jnp.asarray(0.0).dtype
