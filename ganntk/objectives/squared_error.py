r"""The paper's objective. Layer 2."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.objectives.base import LossAndSlope, Objective, Starts
from ganntk.typing import Labels


@Objective.register("squared_error")
@dataclass(frozen=True)
class SquaredError(Objective):
    r"""$L = \tfrac12 |1 - D|^2$ over all rows (Zhang et al. 2022, Eq. 4 and supplement Eq. 6).

    Per real row 0.500 when real and generated rows are separated, 0.250 when they coincide.
    """

    def targets(self, y: Labels) -> Float[Array, "rows 1"]:
        return y[:, None]

    def loss_and_slope(self, predictions: Float[Array, "rows 1"]) -> LossAndSlope:
        residual = predictions - 1
        return LossAndSlope(jnp.sum(jnp.square(residual)) / 2, residual)

    def starts(self, y: Labels) -> Starts:
        # D - 1 = -(1 - y) - exp(-lam K) y
        return Starts(jnp.column_stack([y, 1 - y]), hold_slope=True)
