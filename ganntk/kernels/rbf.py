"""The radial basis function kernel. Layer 2."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.kernels.base import Kernel
from ganntk.kernels.covariance import squared_distance
from ganntk.typing import Block, Rows


@Kernel.register("rbf")
@dataclass(frozen=True)
class RBF(Kernel):
    r"""$k(x, x') = \exp(-|x - x'|^2 / (2 d \ell^2))$ over the d numbers of a row.

    The mean over numbers, not their sum, so that one length serves all image sizes.

    Args:
        length_scale: $\ell$, in units of a pixel's range, positive.
    """

    length_scale: float = 0.2

    def __post_init__(self) -> None:
        if not self.length_scale > 0:
            raise InputError(f"length_scale is {self.length_scale}: expected a positive number")

    def __call__(self, x1: Rows, x2: Rows) -> Block:
        size = math.prod(x1.shape[1:])
        distance = squared_distance(*(x.reshape(len(x), -1).T for x in (x1, x2)))
        return jnp.exp(-distance / (2 * size * self.length_scale**2))

    def diagonal(self, x: Rows) -> Float[Array, " rows"]:
        return jnp.ones(len(x), x.dtype)

    def bytes_per_pair(self, row_shape: tuple[int, ...], itemsize: int) -> int:
        return 4 * itemsize
