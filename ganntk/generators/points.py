"""Generated rows that are themselves the unknowns. Layer 2."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import jax
import jax.numpy as jnp

from ganntk.errors import InputError
from ganntk.registry import unknown_name
from ganntk.typing import Key, Rows

Start: TypeAlias = Literal["uniform", "normal"]


@dataclass(frozen=True)
class Points:
    """Free points, kept in the range of a pixel.

    Args:
        count: generated rows, at least one; None means as many as there are real rows.
        start: uniform over the range, or normal about its middle with a quarter of its width as
            standard deviation, clipped.
        low: smallest value of a pixel.
        high: largest value of a pixel.
    """

    count: int | None = None
    start: Start = "uniform"
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise InputError(f"points.count is {self.count}: expected at least 1")
        if not (math.isfinite(self.low) and self.low < self.high and math.isfinite(self.high)):
            raise InputError(
                f"points range is [{self.low}, {self.high}]: expected low < high, both finite"
            )
        if self.start not in get_args(Start):
            raise unknown_name("start of points", self.start, get_args(Start))

    def init(self, key: Key, count: int, row_shape: tuple[int, ...], dtype: jnp.dtype) -> Rows:
        """Draw the first points: row i depends on the key and on i alone, not on `count`."""

        def row(index: jax.Array) -> jax.Array:
            own = jax.random.fold_in(key, index)
            if self.start == "uniform":
                # Drawn in float32 whatever the precision, so that both start at the same place.
                return jax.random.uniform(
                    own, row_shape, jnp.float32, minval=self.low, maxval=self.high
                )
            middle, width = (self.low + self.high) / 2, self.high - self.low
            return middle + width / 4 * jax.random.normal(own, row_shape, jnp.float32)

        return self.project(jax.vmap(row)(jnp.arange(count)).astype(dtype))

    def project(self, points: Rows) -> Rows:
        """The nearest points inside the pixel range."""
        return jnp.clip(points, self.low, self.high)
