"""A whole synthesis in one call, for notebooks and scripts: one device, no Ray. Layer 3."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ganntk import synthesis
from ganntk.data.inputs import rows_from
from ganntk.discriminator import Solver
from ganntk.errors import InputError
from ganntk.generators import Points
from ganntk.kernels import Kernel, named
from ganntk.lam import Fixed, Lam, Searched
from ganntk.objectives import Objective
from ganntk.optimizers import Optimizer
from ganntk.synthesis import Problem, Real, StepReport, SynthesisState

_BLOCK = 50


@dataclass(frozen=True)
class SynthesisResult:
    """What a synthesis gives.

    Args:
        images: the generated rows, shape (points, h, w, c) or (points, d), float32 in [0, 1].
        loss: the objective at each step, before its update, shape (steps,).
        lam: the discriminator's training time.
        d: the discriminator's value on each generated row, shape (points,).
    """

    images: Float[np.ndarray, "points ..."]
    loss: Float[np.ndarray, " steps"]
    lam: float
    d: Float[np.ndarray, " points"]


def synthesize(
    X: Any,
    *,
    points: int | None = None,
    kernel: str | Kernel = "cnn-mnist",
    objective: str | Objective = "squared_error",
    lam: float | Literal["auto"] | Lam = "auto",
    optimizer: Optimizer | None = None,
    steps: int = 500,
    seed: int = 0,
    precision: Literal["float32", "float64"] = "float32",
    solver: Solver = "auto",
    on_report: Callable[[int, StepReport], None] | None = None,
) -> SynthesisResult:
    r"""Synthesise new rows from real ones by gradient descent through a neural tangent kernel.

    Args:
        X: real images (n, h, w, c) or (n, h, w), or points (n, d), in [0, 1], as an array of NumPy,
            JAX or torch; bytes are scaled. Or a table of pyarrow or pandas with a column of
            pictures, or an address: `ganntk.data.inputs` says what is taken.
        points: how many rows to generate; None for as many as there are real ones.
        kernel: a kernel, or the name of one in `ganntk.kernels.ARCHITECTURES`.
        objective: an objective, or the name of one.
        lam: training time of the discriminator; "auto" searches it (Algorithm 1, error 1e-3).
        optimizer: how the gradient moves the rows; None for Adam with step 0.02.
        steps: how many, at least one.
        seed: fixes everything that is random.
        precision: of the kernel; the discriminator's matrix function is always in float64.
        solver: of the matrix function: `eigh`, exact; `lanczos`, by a few products with vectors,
            for many rows; `auto`, by their number.
        on_report: called with the number of steps taken and the reports of the last block.

    Returns:
        The generated rows and the run's curve.

    Raises:
        InputError: the rows or a setting cannot be used.
        NonFiniteObjectiveError: the objective left the finite numbers.

    Example:
        >>> rows = np.random.default_rng(0).uniform(size=(8, 8, 8, 1))
        >>> synthesize(rows, points=4, kernel="cnn-small", steps=2).images.shape
        (4, 8, 8, 1)
    """
    rows = rows_from(X)
    if steps < 1:
        raise InputError(f"steps is {steps}: expected at least 1")
    problem = Problem(
        kernel=named(kernel) if isinstance(kernel, str) else kernel,
        objective=_objective(objective),
        optimizer=(optimizer or Optimizer()).build(),
        points=Points(count=points),
        solver=solver,
        lam=_lam(lam),
    )
    with synthesis.numerics():
        real = synthesis.prepare(problem, jnp.asarray(rows), precision=precision)
        state = synthesis.init(problem, real, seed=seed)
        return _run(problem, real, state, steps, on_report)


def _run(
    problem: Problem,
    real: Real,
    state: SynthesisState,
    steps: int,
    on_report: Callable[[int, StepReport], None] | None,
) -> SynthesisResult:
    losses = []
    while (taken := int(state.step)) < steps:
        state, report = synthesis.advance(
            problem, real, state, steps=min(_BLOCK, steps - taken), longest=_BLOCK
        )
        losses.append(np.asarray(report.loss))
        if on_report is not None:
            on_report(int(state.step), report)
    last = synthesis.evaluate(problem, real, state.points, state.lam)
    return SynthesisResult(
        images=np.asarray(state.points, np.float32),
        loss=np.concatenate(losses),
        lam=float(state.lam),
        d=np.asarray(last.predictions[len(real.rows) :]),
    )


def _objective(objective: str | Objective) -> Objective:
    if isinstance(objective, str):
        return Objective.find(objective)()
    return objective


def _lam(lam: float | Literal["auto"] | Lam) -> Lam:
    if isinstance(lam, Lam):
        return lam
    if lam == "auto":
        return Searched()
    if isinstance(lam, str):
        raise InputError(f'lam is {lam!r}: expected a number, "auto" or a rule of ganntk.lam')
    return Fixed(float(lam))
