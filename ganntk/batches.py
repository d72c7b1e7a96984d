r"""Batch-wise GA-NTK (Zhang et al. 2022, Eq. 5): small random sets share a Gram matrix. Layer 3.

The objective is the mean over random halves of real and generated rows, $X^{b/2}$ and $Z^{b/2}$.
A step shuffles all generated rows into batches, draws real rows for each, and moves every generated
row once. A Gram matrix has b rows, whatever the number of images.
"""

import functools
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ganntk import synthesis
from ganntk.discriminator import LossAndCotangent
from ganntk.errors import InputError
from ganntk.kernels import gram
from ganntk.stacked import Problem, Real, with_gram
from ganntk.synthesis import StepReport, SynthesisState
from ganntk.typing import Count, Key, Rows, Scalar

# Purposes of random numbers, beside those of `synthesis`.
_BATCH = 2


@dataclass(frozen=True)
class BatchProblem:
    """What does not change in a batch-wise synthesis.

    Args:
        problem: its `points.count` are all generated rows.
        half: generated rows of a batch, and as many real ones.
    """

    problem: Problem
    half: int

    @property
    def of_a_batch(self) -> Problem:
        """The problem of one batch."""
        return sized(self.problem, self.half)


class Found(NamedTuple):
    """One batch, solved and pulled back."""

    solution: LossAndCotangent
    slope: Rows


def sized(problem: Problem, count: int) -> Problem:
    """The same problem with so many generated rows."""
    return replace(problem, points=replace(problem.points, count=count))


def check(half: int, real: int, points: int) -> None:
    """Refuse a batch that is larger than what it is drawn from.

    Raises:
        InputError: there are too few real or generated rows.
    """
    if not 1 <= half <= min(real, points):
        raise InputError(
            f"a batch of {2 * half} rows takes {half} real and {half} generated ones, and there "
            f"are {real} and {points}: take coupling.batch of at most {2 * min(real, points)}"
        )


def batch_key(seed: int, member: int = 0) -> Key:
    """The key of all batches of one set: a step and a batch are folded into it."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), _BATCH), member)


def solved(problem: Problem, x: Rows, z: Rows, lam: Scalar) -> Found:
    """The objective and its gradient by the generated rows of one batch.

    Args:
        problem: of the batch.
        x: its real rows.
        z: its generated rows.
        lam: training time.
    """
    real = real_rows(problem, x)
    found = synthesis.evaluate(problem, real, z, lam)
    return Found(found, synthesis.gradient(problem, real, z, found.cotangent))


def drawn(key: Key, count: int, half: int) -> Int[Array, " half"]:
    """Which of `count` real rows a batch has: any of them once."""
    return jax.random.choice(key, count, (half,), replace=False)


def init(batched: BatchProblem, x: Rows, *, seed: int, member: int = 0) -> SynthesisState:
    r"""Draw the first points, and choose $\lambda$ for the first batch of them.

    Args:
        batched: what does not change.
        x: real rows.
        seed: of the run.
        member: which of several independent sets.
    """
    problem = batched.problem
    points = synthesis.first_points(problem, x, seed=seed, member=member)
    check(batched.half, len(x), len(points))
    key = jax.random.fold_in(batch_key(seed, member), 0)
    order, real_key = _order(key, len(points), batched.half)
    first = x[drawn(jax.random.fold_in(real_key, 0), len(x), batched.half)]
    problem_of_it = batched.of_a_batch
    return SynthesisState(
        step=jnp.zeros((), jnp.int32),
        points=points,
        optimizer=synthesis.first_slots(problem, points, member),
        lam=synthesis.first_lam(problem_of_it, real_rows(problem_of_it, first), points[order[0]]),
    )


def step(
    batched: BatchProblem, x: Rows, key: Key, state: SynthesisState
) -> tuple[SynthesisState, StepReport]:
    """Move every generated row once.

    Args:
        batched: what does not change.
        x: real rows.
        key: of all batches of the set.
        state: before the step.
    """
    problem, half, count = batched.of_a_batch, batched.half, len(state.points)
    order, real_key = _order(jax.random.fold_in(key, state.step), count, half)

    def one(i: Count) -> tuple[Rows, StepReport, Scalar]:
        own = x[drawn(jax.random.fold_in(real_key, i), len(x), half)]
        found, slope = solved(problem, own, state.points[order[i]], state.lam)
        lam = synthesis.lam_after(problem, found, state.step, state.lam)
        return slope, synthesis.report_of(found, half, state.lam), lam

    slopes, reports, lams = jax.lax.map(one, jnp.arange(len(order)))
    flat = slopes.reshape(-1, *slopes.shape[2:])[:count]
    slope = jnp.zeros_like(state.points).at[order.reshape(-1)[:count]].set(flat)
    report = mean_report(reports)._replace(
        gradient_norm=jnp.linalg.norm(slope).astype(reports.loss.dtype)
    )
    return synthesis.moved(batched.problem, state, slope, jnp.mean(lams)), report


def mean_report(reports: StepReport) -> StepReport:
    """One report of several batches: means, the outermost eigenvalues, all products."""
    return StepReport(*(jnp.mean(series, axis=0) for series in reports))._replace(
        eigenvalue_min=jnp.min(reports.eigenvalue_min, axis=0),
        eigenvalue_max=jnp.max(reports.eigenvalue_max, axis=0),
        products=jnp.sum(reports.products, axis=0),
        residual=jnp.max(reports.residual, axis=0),
    )


def advance(
    batched: BatchProblem,
    x: Rows,
    key: Key,
    state: SynthesisState,
    *,
    steps: int,
    longest: int | None = None,
) -> tuple[SynthesisState, StepReport]:
    """Take a block of steps; see `synthesis.advance`.

    Raises:
        NonFiniteObjectiveError: the objective or the gradient is not finite.
    """
    first = int(state.step)
    room = synthesis.room_for(longest or steps)
    state, padded = _advance(batched, x, key, state, jnp.asarray(steps), room)
    return state, synthesis.checked(first, padded, steps, x.dtype)


@functools.partial(jax.jit, static_argnums=0)
def look(
    batched: BatchProblem, x: Rows, key: Key, state: SynthesisState
) -> tuple[Scalar, Float[Array, " m"]]:
    """The mean objective, and D on every generated row, in the batches of the next step."""
    half, count = batched.half, len(state.points)
    order, real_key = _order(jax.random.fold_in(key, state.step), count, half)

    def one(i: Count) -> tuple[Scalar, Float[Array, " half"]]:
        own = x[drawn(jax.random.fold_in(real_key, i), len(x), half)]
        real = real_rows(batched.of_a_batch, own)
        found = synthesis.evaluate(batched.of_a_batch, real, state.points[order[i]], state.lam)
        return found.loss, found.predictions[half:]

    losses, d = jax.lax.map(one, jnp.arange(len(order)))
    values = jnp.zeros(count, d.dtype).at[order.reshape(-1)[:count]].set(d.reshape(-1)[:count])
    return jnp.mean(losses), values


def real_rows(problem: Problem, x: Rows) -> Real:
    """The real rows of a batch with their Gram matrix; jittable."""
    return with_gram(problem, x, gram(problem.kernel, x, memory_bytes=problem.memory_bytes))


@functools.partial(jax.jit, static_argnums=(0, 5))
def _advance(
    batched: BatchProblem, x: Rows, key: Key, state: SynthesisState, steps: Count, longest: int
) -> tuple[SynthesisState, StepReport]:
    return synthesis.repeated(lambda state: step(batched, x, key, state), state, steps, longest)


def _order(key: Key, count: int, half: int) -> tuple[Int[Array, "batches half"], Key]:
    """All generated rows shuffled into batches, and the key of their real rows.

    The last batch is filled up with rows of the first; what it says of those is not used.
    """
    points_key, real_key = jax.random.split(key)
    shuffled = jax.random.permutation(points_key, count)
    batches = -(-count // half)
    return shuffled[jnp.arange(batches * half) % count].reshape(batches, half), real_key
