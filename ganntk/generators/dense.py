"""Dense layers, as in the paper's generator for points of the plane. Layer 2."""

import math
from dataclasses import dataclass
from itertools import pairwise

import jax.numpy as jnp
from flax import nnx

from ganntk.errors import InputError
from ganntk.generators.network import Codes, Network
from ganntk.typing import Rows


@Network.register("dense")
@dataclass(frozen=True)
class DenseNetwork(Network):
    """Dense layers with ReLUs and a sigmoid, for rows of any shape.

    Attributes:
        latent: numbers of a code; the paper has 2 for points of the plane.
        widths: of the hidden layers.
    """

    latent: int = 2
    widths: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        if self.latent < 1 or any(width < 1 for width in self.widths):
            raise InputError(
                f"network has latent {self.latent} and widths {self.widths}: expected at least 1"
            )

    def build(self, row_shape: tuple[int, ...], *, rngs: nnx.Rngs, dtype: jnp.dtype) -> nnx.Module:
        return _Generator(self, row_shape, rngs, dtype)


class _Generator(nnx.Module):
    def __init__(
        self, network: DenseNetwork, row_shape: tuple[int, ...], rngs: nnx.Rngs, dtype: jnp.dtype
    ) -> None:
        widths = (network.latent, *network.widths, math.prod(row_shape))
        self.row_shape = row_shape
        self.layers = nnx.List(
            [
                nnx.Linear(a, b, rngs=rngs, param_dtype=dtype, dtype=dtype)
                for a, b in pairwise(widths)
            ]
        )

    def __call__(self, z: Codes) -> Rows:
        features = z
        for layer in self.layers[:-1]:
            features = nnx.relu(layer(features))
        return nnx.sigmoid(self.layers[-1](features)).reshape(-1, *self.row_shape)
