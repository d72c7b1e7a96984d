r"""Multi-resolution GA-NTK (Zhang et al. 2022, Eq. 7): a sum over average-pooled images. Layer 3.

$L(Z) = \sum_m w_m L_m(p_m(Z))$, where $p_m$ averages over squares of pixels. Every level has a
kernel, a training time and a solver of its own; the generated rows are those at full resolution. A
schedule may begin with coarse levels and fade finer ones in.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk import synthesis
from ganntk.discriminator import Solver
from ganntk.errors import InputError
from ganntk.kernels import Kernel
from ganntk.lam import Lam
from ganntk.stacked import Problem, Real, solver_dtype
from ganntk.synthesis import StepReport, SynthesisState
from ganntk.typing import Count, Images, Rows, Scalar

Reals: TypeAlias = tuple[Real, ...]
"""The real rows of each level, with their Gram matrix."""


@dataclass(frozen=True)
class Level:
    """One resolution. What is None is the run's own.

    Attributes:
        side: of the pooled images, in pixels; it divides the side of the real ones.
        kernel: architecture of its discriminator.
        lam: the rule for its training time.
        solver: of its matrix function.
        weight: of its objective in the sum, positive.
        first_step: optimiser steps before it begins to count; 0 for at least one level.
        ramp_steps: over which its weight then rises to the whole, linearly; 0 for at once.
    """

    side: int
    kernel: Kernel | None = None
    lam: Lam | None = None
    solver: Solver | None = None
    weight: float = 1.0
    first_step: int = 0
    ramp_steps: int = 0

    def __post_init__(self) -> None:
        if self.side < 1:
            raise InputError(f"levels: side is {self.side}: expected at least 1")
        if not 0 < self.weight < float("inf"):
            raise InputError(f"levels: weight is {self.weight}: expected a positive number")
        for name in ("first_step", "ramp_steps"):
            if (value := getattr(self, name)) < 0:
                raise InputError(f"levels: {name} is {value}: expected at least 0")

    def problem(self, whole: Problem) -> Problem:
        """The problem of this level: the run's, with what is its own."""
        return replace(
            whole,
            kernel=self.kernel or whole.kernel,
            lam=self.lam or whole.lam,
            solver=self.solver or whole.solver,
        )

    def weight_at(self, step: Count) -> Scalar:
        """The weight in a step, of which so many were taken before."""
        taken = jnp.asarray(step - self.first_step, solver_dtype())
        if not self.ramp_steps:
            return self.weight * (taken >= 0).astype(taken.dtype)
        return self.weight * jnp.clip((taken + 1) / self.ramp_steps, 0, 1)


@dataclass(frozen=True)
class LevelsProblem:
    """What does not change in a multi-resolution synthesis.

    Args:
        whole: the run's problem; its points are those at full resolution.
        levels: at least one.
    """

    whole: Problem
    levels: tuple[Level, ...]

    def __post_init__(self) -> None:
        check(self.levels)

    @property
    def parts(self) -> list[Problem]:
        """The problem of each level."""
        return [level.problem(self.whole) for level in self.levels]


class _OfLevel(NamedTuple):
    """What one level gives in a step."""

    report: StepReport
    slope: Rows
    lam: Scalar


def check(levels: Sequence[Level]) -> None:
    """Refuse levels that leave a step without an objective.

    Raises:
        InputError: none begins at step 0, or two have the same side.
    """
    if all(level.first_step for level in levels):
        raise InputError("levels: no first_step is 0: the first step would have no objective")
    sides = [level.side for level in levels]
    if len(set(sides)) < len(sides):
        raise InputError(f"levels have the sides {sides}: expected each of them once")


def pooled(images: Images, side: int) -> Images:
    """Images averaged over squares of pixels.

    Args:
        images: shape (n, h, h, c).
        side: of the result; it divides h.

    Raises:
        InputError: the rows are no square images, or the side does not divide theirs.
    """
    shape = images.shape
    if len(shape) != 4 or shape[1] != shape[2]:
        raise InputError(
            f"levels average square images, and rows have the shape {shape[1:]}: take no levels"
        )
    if shape[1] % side:
        raise InputError(
            f"a level of {side} pixels and images of {shape[1]}: expected a side that divides it"
        )
    width = shape[1] // side
    return images.reshape(-1, side, width, side, width, shape[3]).mean(axis=(2, 4))


def prepare(given: LevelsProblem, rows: Images, *, precision: str = "float32") -> Reals:
    """Pool the real rows, and compute the Gram matrix of each level, once per run.

    Raises:
        InputError: a level does not fit the images.
    """
    x = jnp.asarray(rows, precision)
    return tuple(
        synthesis.prepare(part, pooled(x, level.side), precision=x.dtype.name)
        for part, level in zip(given.parts, given.levels, strict=True)
    )


def init(
    given: LevelsProblem, reals: Reals, x: Images, *, seed: int, member: int = 0
) -> SynthesisState:
    r"""Draw the first points, and choose $\lambda$ for each level; see `synthesis.init`.

    The state's `lam` has one number for each level.
    """
    points = synthesis.first_points(given.whole, x, seed=seed, member=member)
    lams = [
        synthesis.first_lam(part, real, pooled(points, level.side))
        for part, level, real in zip(given.parts, given.levels, reals, strict=True)
    ]
    return SynthesisState(
        step=jnp.zeros((), jnp.int32),
        points=points,
        optimizer=synthesis.first_slots(given.whole, points, member),
        lam=jnp.stack(lams),
    )


def gradient(given: LevelsProblem, reals: Reals, state: SynthesisState) -> tuple[Rows, StepReport]:
    """The gradient of the sum over levels by the rows at full resolution, and a step's report."""
    found = _levels(given, reals, state)
    slope = functools.reduce(jnp.add, [each.slope for each in found])
    return slope, _report(given, state, found, slope)


def step(
    given: LevelsProblem, reals: Reals, state: SynthesisState
) -> tuple[SynthesisState, StepReport]:
    """Move the generated rows once."""
    found = _levels(given, reals, state)
    slope = functools.reduce(jnp.add, [each.slope for each in found])
    lam = jnp.stack([each.lam for each in found])
    moved = synthesis.moved(given.whole, state, slope, lam)
    return moved, _report(given, state, found, slope)


def advance(
    given: LevelsProblem,
    reals: Reals,
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
    state, padded = _advance(given, reals, state, jnp.asarray(steps), room)
    loosest = max((real.gram.dtype for real in reals), key=lambda dtype: jnp.finfo(dtype).eps)
    return state, synthesis.checked(first, padded, steps, loosest)


@functools.partial(jax.jit, static_argnums=0)
def look(
    given: LevelsProblem, reals: Reals, state: SynthesisState
) -> tuple[Scalar, Float[Array, " m"]]:
    """The objective, and the weighted mean over the levels of D on each generated row."""
    losses, values, weights = [], [], []
    for i, (part, level) in enumerate(zip(given.parts, given.levels, strict=True)):
        real, points = reals[i], pooled(state.points, level.side)
        found = synthesis.evaluate(part, real, points, state.lam[i])
        weights.append(level.weight_at(state.step).astype(found.loss.dtype))
        losses.append(found.loss)
        values.append(found.predictions[len(real.rows) :])
    weight = jnp.stack(weights)
    return weight @ jnp.stack(losses), weight @ jnp.stack(values) / jnp.sum(weight)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _advance(
    given: LevelsProblem, reals: Reals, state: SynthesisState, steps: Count, longest: int
) -> tuple[SynthesisState, StepReport]:
    return synthesis.repeated(lambda state: step(given, reals, state), state, steps, longest)


def _levels(given: LevelsProblem, reals: Reals, state: SynthesisState) -> list[_OfLevel]:
    """What each level gives; one that does not count yet is not computed."""
    found = []
    for i, (part, level) in enumerate(zip(given.parts, given.levels, strict=True)):
        lam = state.lam[i]
        solved = functools.partial(_level, part, level, reals[i], state, lam)
        if level.first_step == 0:
            found.append(solved())
            continue
        nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), _shape(solved))
        waiting = nothing._replace(lam=lam, report=nothing.report._replace(lam=lam))
        counts = state.step >= level.first_step
        found.append(jax.lax.cond(counts, solved, lambda waiting=waiting: waiting))
    return found


def _shape(function: functools.partial) -> _OfLevel:
    return jax.eval_shape(function)


def _level(part: Problem, level: Level, real: Real, state: SynthesisState, lam: Scalar) -> _OfLevel:
    """One level's report, and its weighted gradient at full resolution."""
    points, spread = jax.vjp(lambda z: pooled(z, level.side), state.points)
    found = synthesis.evaluate(part, real, points, lam)
    slope = synthesis.gradient(part, real, points, found.cotangent)
    weight = level.weight_at(state.step).astype(slope.dtype)
    after = synthesis.lam_after(part, found, state.step - level.first_step, lam)
    report = synthesis.report_of(found, len(real.rows), lam, jnp.linalg.norm(slope))
    return _OfLevel(report, spread(weight * slope)[0], after)


def _report(
    given: LevelsProblem, state: SynthesisState, found: Sequence[_OfLevel], slope: Rows
) -> StepReport:
    """One report of all levels: sums and means with their weights, the outermost eigenvalues."""
    reports = StepReport(*map(jnp.stack, zip(*(each.report for each in found), strict=True)))
    dtype = reports.loss.dtype
    weight = jnp.stack([level.weight_at(state.step) for level in given.levels]).astype(dtype)
    share, counts = weight / jnp.sum(weight), weight > 0
    return StepReport(
        loss=weight @ reports.loss,
        d_real=share @ reports.d_real,
        d_points=share @ reports.d_points,
        gradient_norm=jnp.linalg.norm(slope).astype(dtype),
        eigenvalue_min=jnp.min(jnp.where(counts, reports.eigenvalue_min, jnp.inf)),
        eigenvalue_max=jnp.max(jnp.where(counts, reports.eigenvalue_max, -jnp.inf)),
        products=jnp.sum(reports.products),
        residual=jnp.max(reports.residual),
        lam=jnp.mean(reports.lam),
        level_loss=reports.loss,
        level_lam=reports.lam,
        level_weight=weight,
    )
