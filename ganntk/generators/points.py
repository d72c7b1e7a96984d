"""Generated rows that are themselves the unknowns. Layer 2."""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp

from ganntk.errors import InputError
from ganntk.typing import Key, Rows


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
    start: Literal["uniform", "normal"] = "uniform"
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if self.count is not None and self.count < 1:
            raise InputError(f"points.count is {self.count}: expected at least 1")
        if not self.low < self.high:
            raise InputError(f"points range is [{self.low}, {self.high}]: expected low < high")

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
