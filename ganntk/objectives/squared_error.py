r"""The paper's objective. Layer 2."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.objectives.base import LossAndSlope, Objective, Starts
from ganntk.typing import Labels


@Objective.register("squared_error")
@dataclass(frozen=True)
class SquaredError(Objective):
    r"""$L = \tfrac12 |t - D|^2$ over all rows (Zhang et al. 2022, Eq. 4 and supplement Eq. 6).

    Per real row 0.500 when real and generated rows are separated, 0.250 when they coincide, at the
    paper's target of 1.

    Attributes:
        target: the t that D should reach on every row, above 0 and at most 1: rows of which the
            discriminator says as much are pulled no further.
    """

    target: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.target <= 1:
            raise InputError(
                f"objective.target is {self.target}: expected a number above 0 and at most 1"
            )

    def targets(self, y: Labels) -> Float[Array, "rows 1"]:
        return y[:, None]

    def loss_and_slope(self, predictions: Float[Array, "rows 1"]) -> LossAndSlope:
        residual = predictions - self.target
        return LossAndSlope(jnp.sum(jnp.square(residual)) / 2, residual)

    def starts(self, y: Labels) -> Starts:
        # D - t = (1 - t) y - t (1 - y) - exp(-lam K) y
        return Starts(jnp.column_stack([y, 1 - y]), hold_slope=True)
