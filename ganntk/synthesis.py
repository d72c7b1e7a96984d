r"""GA-NTK on one device: the algorithm of Zhang et al. 2022, as pure functions. Layer 3.

Real rows X are constant, generated rows Z move. A step fills the Gram matrix of both, reads the
discriminator D and the objective's cotangent G = dL/dK off it in closed form, and pulls G back
through the kernel to Z. K(X, X) is computed once.
"""

import contextlib
import functools
import importlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int
from threadpoolctl import ThreadpoolController

from ganntk import discriminator, noise, similarity
from ganntk.discriminator import LossAndCotangent, Spectrum
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.kernels import gram, gram_of_moving, pullback_of_moving
from ganntk.lam import Fixed
from ganntk.stacked import Problem, Real, moving_rows, solve, solver_dtype, spectrum_of, with_gram
from ganntk.typing import Block, Cotangent, Count, Gram, LowRank, Rows, Scalar

_log = logging.getLogger(__name__)

_SOLVER_THREADS = 1
_ROOM = 128

# Compiled once each, for the calls outside a step.
_gram = jax.jit(gram, static_argnums=0, static_argnames="memory_bytes")
_gram_of_moving = jax.jit(gram_of_moving, static_argnums=0, static_argnames="memory_bytes")

# Purposes of random numbers: each is folded into the run's key, so that none shares a stream.
_START = 0
_MEMBER = 1


class SynthesisState(NamedTuple):
    """What a step changes, and all that a checkpoint needs."""

    step: Count
    points: Rows
    optimizer: optax.OptState
    lam: Scalar


class StepReport(NamedTuple):
    """Facts about one step, before its update; arrays over the steps of a block.

    Those of levels have a second axis, which is empty in a run of a single resolution.
    """

    loss: Float[Array, " steps"]
    d_real: Float[Array, " steps"]
    d_points: Float[Array, " steps"]
    gradient_norm: Float[Array, " steps"]
    eigenvalue_min: Float[Array, " steps"]
    eigenvalue_max: Float[Array, " steps"]
    products: Int[Array, " steps"]
    residual: Float[Array, " steps"]
    lam: Float[Array, " steps"]
    level_loss: Float[Array, "steps levels"]
    level_lam: Float[Array, "steps levels"]
    level_weight: Float[Array, "steps levels"]


@contextlib.contextmanager
def numerics() -> Iterator[None]:
    """The numerical context that every function below expects; it touches no global setting of JAX.

    float64 is allowed, for the matrix function; kernels keep the precision of their rows. LAPACK
    works in one thread: on the small matrices of a step its threads wait for one another, and on a
    busy machine an eigendecomposition of 128 rows takes 110 ms instead of 2.
    """
    with _blas().limit(limits=_SOLVER_THREADS, user_api="blas"), jax.enable_x64(True):
        yield


@functools.cache
def _blas() -> ThreadpoolController:
    """The libraries of LAPACK in this process; to look for them takes milliseconds."""
    # JAX loads it with its first decomposition, and what is loaded later would not be limited.
    importlib.import_module("scipy.linalg.cython_lapack")
    return ThreadpoolController()


def prepare(problem: Problem, rows: Rows, *, precision: str = "float32") -> Real:
    """Put the real rows on the device and compute their Gram matrix, once per run.

    `eigh` takes it in float64. `lanczos` takes float32 entries as they are, in half the memory.

    Args:
        problem: what does not change.
        rows: the real ones.
        precision: of the kernel, `float32` or `float64`.
    """
    x = jnp.asarray(rows, precision)
    return with_gram(problem, x, gram_of_real(problem, x))


def gram_of_real(problem: Problem, x: Rows) -> Gram:
    """K(X, X), in the precision of the rows."""
    return _gram(problem.kernel, x, memory_bytes=problem.memory_bytes)


def first_points(problem: Problem, x: Rows, *, seed: int, member: int = 0) -> Rows:
    """Draw the first points: row i depends on the seed, the member and on i alone.

    Args:
        problem: what does not change.
        x: real rows, for their shape, type and number.
        seed: of the run.
        member: which of several independent sets.
    """
    key = jax.random.fold_in(jax.random.key(seed), _START)
    if member:
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), _MEMBER), member)
    count = problem.points.count or len(x)
    return problem.points.init(key, count, x.shape[1:], x.dtype)


def init(problem: Problem, real: Real, *, seed: int, member: int = 0) -> SynthesisState:
    r"""Draw the first points and choose $\lambda$ for them; see `first_points`."""
    points = first_points(problem, real.rows, seed=seed, member=member)
    return start(problem, points, first_lam(problem, real, points), member=member)


def start(problem: Problem, points: Rows, lam: Scalar, *, member: int = 0) -> SynthesisState:
    """The state before the first step."""
    return SynthesisState(
        step=jnp.zeros((), jnp.int32),
        points=points,
        optimizer=first_slots(problem, points, member),
        lam=lam,
    )


def first_slots(problem: Problem, points: Rows, member: int = 0) -> optax.OptState:
    """The optimiser's state before the first step; noise of each member is its own."""
    return noise.numbered(problem.optimizer.init(points), member * len(points))


def first_lam(
    problem: Problem, real: Real, points: Rows, spectrum: Spectrum | None = None
) -> Scalar:
    r"""The $\lambda$ to start with, by the problem's rule; the spectrum where it is known."""
    if isinstance(problem.lam, Fixed):  # it looks at no spectrum
        return jnp.asarray(problem.lam.value, solver_dtype())
    y = discriminator.labels(len(real.rows), len(points), solver_dtype())
    spectrum = spectrum or first_spectrum(problem, real, points)
    return jnp.asarray(problem.lam.choose(spectrum, y), solver_dtype())


def first_spectrum(problem: Problem, real: Real, points: Rows) -> Spectrum:
    r"""What a rule for $\lambda$ looks at; it depends on no $\lambda$."""
    y = discriminator.labels(len(real.rows), len(points), solver_dtype())
    return spectrum_of(problem, real, _block(problem, real, points), y)


def evaluate(problem: Problem, real: Real, points: Rows, lam: Scalar) -> LossAndCotangent:
    """The objective, the predictions on all rows and dL/dK, at given points."""
    return solve(problem, real, _block(problem, real, points), lam)


def gradient(problem: Problem, real: Real, points: Rows, cotangent: Cotangent) -> Rows:
    r"""Pull $G = dL/dK$ back to the generated rows.

    The penalty on similar rows is part of it, where there is one.
    $dL/dz_a = 2\sum_i G_{ai}\,\partial k(z_a, x_i) + \partial_{z_a} \sum_{bc} G_{bc}\,k(z_b, z_c)$;
    the block of real rows is constant. Two factors of G are not multiplied out.
    """
    n = len(real.rows)
    moving = moving_rows(jax.tree.map(lambda a: jnp.asarray(a, points.dtype), cotangent), n)
    # The block of generated and real rows stands twice in K.
    twice = jnp.where(jnp.arange(len(points) + n) < len(points), 1, 2).astype(points.dtype)
    if isinstance(moving, LowRank):
        moving = moving._replace(right=twice[:, None] * moving.right)
    else:
        moving = twice * moving
    slope = pullback_of_moving(
        problem.kernel, points, real.rows, moving, memory_bytes=problem.memory_bytes
    )
    if isinstance(cotangent, LowRank):
        # Of c I only the entries k(z, z) move.
        diagonal, pull = jax.vjp(problem.kernel.diagonal, points)
        slope += pull(jnp.full_like(diagonal, cotangent.identity))[0]
    if problem.similarity:
        slope += similarity.slope(points, real.rows, problem.similarity)
    return slope


def step(problem: Problem, real: Real, state: SynthesisState) -> tuple[SynthesisState, StepReport]:
    """Move the generated rows once."""
    found = evaluate(problem, real, state.points, state.lam)
    slope = gradient(problem, real, state.points, found.cotangent)
    return moved(
        problem, state, slope, lam_after(problem, found, state.step, state.lam)
    ), report_of(found, len(real.rows), state.lam, jnp.linalg.norm(slope))


def moved(problem: Problem, state: SynthesisState, slope: Rows, lam: Scalar) -> SynthesisState:
    """The state after a step along a gradient."""
    updates, optimizer = problem.optimizer.update(slope, state.optimizer, state.points)
    points: Any = optax.apply_updates(state.points, updates)
    return SynthesisState(state.step + 1, problem.points.project(points), optimizer, lam)


def lam_after(problem: Problem, found: LossAndCotangent, step: Count, lam: Scalar) -> Scalar:
    r"""The $\lambda$ after a step, of which `step` were taken before."""
    return problem.lam.after(step + 1, lam, found.eigenvalues, found.weights)


def report_of(
    found: LossAndCotangent,
    real: int,
    lam: Scalar | float,
    gradient_norm: Scalar | float = jnp.nan,
) -> StepReport:
    """What a step reports of its solution; `real` is the number of real rows."""
    no_levels = jnp.zeros((0,), found.loss.dtype)
    return StepReport(
        loss=found.loss,
        d_real=jnp.mean(found.predictions[:real]),
        d_points=jnp.mean(found.predictions[real:]),
        gradient_norm=jnp.asarray(gradient_norm, found.loss.dtype),
        eigenvalue_min=found.eigenvalues[0],
        eigenvalue_max=found.eigenvalues[-1],
        products=found.products,
        residual=found.residual,
        lam=jnp.asarray(lam, found.loss.dtype),
        level_loss=no_levels,
        level_lam=no_levels,
        level_weight=no_levels,
    )


@functools.partial(jax.jit, static_argnums=(0, 4))
def _advance(
    problem: Problem, real: Real, state: SynthesisState, steps: Count, longest: int
) -> tuple[SynthesisState, StepReport]:
    return repeated(lambda state: step(problem, real, state), state, steps, longest)


def repeated(
    one: Callable[[SynthesisState], tuple[SynthesisState, StepReport]],
    state: SynthesisState,
    steps: Count,
    longest: int,
) -> tuple[SynthesisState, StepReport]:
    """Take `steps` <= `longest` steps inside a jitted call: it serves blocks of any length.

    Returns:
        The state after them, and their reports as arrays of length `longest`.
    """
    _, shape = jax.eval_shape(one, state)
    reports = jax.tree.map(lambda leaf: jnp.zeros((longest, *leaf.shape), leaf.dtype), shape)

    def body(i: Count, carry: tuple) -> tuple:
        state, reports = carry
        state, report = one(state)
        return state, jax.tree.map(lambda all_, one_: all_.at[i].set(one_), reports, report)

    return jax.lax.fori_loop(0, steps, body, (state, reports))


def advance(
    problem: Problem, real: Real, state: SynthesisState, *, steps: int, longest: int | None = None
) -> tuple[SynthesisState, StepReport]:
    """Take a block of steps without returning to the host in between.

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
    state, padded = _advance(problem, real, state, jnp.asarray(steps), room_for(longest))
    return state, checked(first, padded, steps, real.gram.dtype)


def room_for(longest: int) -> int:
    """Reports that the compiled program of blocks up to `longest` has room for.

    Almost all runs get one program, whatever the length of their blocks: programs of other shapes
    may round otherwise, and a run would depend on how often it is recorded.
    """
    return max(_ROOM, 1 << (longest - 1).bit_length())


def checked(first: int, report: StepReport, steps: int, dtype: jnp.dtype) -> StepReport:
    """The reports of the steps that were taken, of which the first is `first`.

    Raises:
        NonFiniteObjectiveError: the objective or the gradient is not finite.
    """
    taken = jax.tree.map(lambda leaf: leaf[:steps], report)
    check_finite(first, taken)
    check_solved(first, taken, dtype)
    return taken


def check_finite(first: int, report: StepReport) -> None:
    """Refuse a report of steps, the first of which is `first`, that left the finite numbers.

    Raises:
        NonFiniteObjectiveError: the objective or the gradient is not finite, and at which step.
    """
    finite = jnp.isfinite(report.loss) & jnp.isfinite(report.gradient_norm)
    if bool(jnp.all(finite)):
        return
    bad = int(jnp.argmin(finite))
    lam = float(report.lam[bad])
    raise NonFiniteObjectiveError(
        f"step {first + bad}: loss {float(report.loss[bad])}, gradient norm "
        f"{float(report.gradient_norm[bad])} at lam {lam:.6g} with eigenvalues in "
        f"[{float(report.eigenvalue_min[bad]):.3g}, {float(report.eigenvalue_max[bad]):.3g}]: "
        "take a smaller learning rate, or precision float64"
    )


def check_solved(first: int, report: StepReport, dtype: jnp.dtype) -> None:
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
            float(report.lam[worst]),
        )


def _block(problem: Problem, real: Real, points: Rows) -> Block:
    """The kernel of points with points and real rows, in the precision of the Gram matrix."""
    block = _gram_of_moving(problem.kernel, points, real.rows, memory_bytes=problem.memory_bytes)
    return block.astype(real.gram.dtype)
