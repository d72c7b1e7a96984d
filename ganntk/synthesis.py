r"""GA-NTK on one device: the algorithm of Zhang et al. 2022, as pure functions. Layer 3.

Real rows X are constant, generated rows Z move. A step fills the Gram matrix of both, reads the
discriminator D and the objective's cotangent G = dL/dK off it in closed form, and pulls G back
through the kernel to Z. K(X, X) is computed once.
"""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float
from threadpoolctl import threadpool_limits

from ganntk import discriminator
from ganntk.discriminator import LossAndCotangent
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.generators import Points
from ganntk.kernels import Kernel, gram, gram_of_moving, pullback_of_moving
from ganntk.lam import Lam
from ganntk.objectives import Objective
from ganntk.typing import Count, Gram, Labels, Rows, Scalar

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
    """

    kernel: Kernel
    objective: Objective
    optimizer: optax.GradientTransformation
    points: Points
    diagonal: float = 0.0
    memory_bytes: int | None = None


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
    """Put the real rows on the device and compute their Gram matrix, once per run."""
    x = jnp.asarray(rows, precision)
    K = _gram(problem.kernel, x, memory_bytes=problem.memory_bytes)
    return Real(x, K.astype(_solver_dtype()))


def init(problem: Problem, real: Real, lam: Lam, *, seed: int) -> SynthesisState:
    r"""Draw the first points and choose $\lambda$ for them."""
    key = jax.random.fold_in(jax.random.key(seed), _START)
    count = problem.points.count or len(real.rows)
    points = problem.points.init(key, count, real.rows.shape[1:], real.rows.dtype)
    K, y = _gram_and_labels(problem, real, points)
    chosen = lam.choose(discriminator.spectrum(K, diagonal=problem.diagonal), y)
    return SynthesisState(
        step=jnp.zeros((), jnp.int32),
        points=points,
        optimizer=problem.optimizer.init(points),
        lam=jnp.asarray(chosen, _solver_dtype()),
    )


def evaluate(problem: Problem, real: Real, points: Rows, lam: Scalar) -> LossAndCotangent:
    """The objective, the predictions on all rows and dL/dK, at given points."""
    K, y = _gram_and_labels(problem, real, points)
    return discriminator.loss_and_cotangent(
        K, y, lam, objective=problem.objective, diagonal=problem.diagonal
    )


def gradient(problem: Problem, real: Real, points: Rows, cotangent: Gram) -> Rows:
    r"""Pull $G = dL/dK$ back to the generated rows.

    $dL/dz_a = 2\sum_i G_{ai}\,\partial k(z_a, x_i) + \partial_{z_a} \sum_{bc} G_{bc}\,k(z_b, z_c)$;
    the block of real rows is constant.
    """
    n = len(real.rows)
    G = cotangent.astype(points.dtype)
    # The block of generated and real rows stands twice in K.
    moving = jnp.concatenate([G[n:, n:], 2 * G[n:, :n]], axis=1)
    return pullback_of_moving(
        problem.kernel, points, real.rows, moving, memory_bytes=problem.memory_bytes
    )


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


def _gram_and_labels(problem: Problem, real: Real, points: Rows) -> tuple[Gram, Labels]:
    """The Gram matrix of real rows stacked on points, reusing the real rows' block."""
    m, n = len(points), len(real.rows)
    block = _gram_of_moving(
        problem.kernel, points, real.rows, memory_bytes=problem.memory_bytes
    ).astype(real.gram.dtype)
    among, cross = block[:, :m], block[:, m:]
    K = jnp.block([[real.gram, cross.T], [cross, among]])
    return K, discriminator.labels(n, m, K.dtype)


def _solver_dtype() -> jnp.dtype:
    """float64 where the caller's context allows it: the matrix function is cheap beside kernels."""
    return jnp.asarray(0.0).dtype
