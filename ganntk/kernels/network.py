"""A stack of layers as one neural tangent kernel. Layer 2."""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.kernels.base import Kernel
from ganntk.kernels.layers import Flatten, Layer
from ganntk.typing import Block, Rows


@Kernel.register("network")
@dataclass(frozen=True)
class Network(Kernel):
    """The NTK of an infinitely wide network, layer by layer.

    Args:
        layers: from the input to the output; the last ones must leave no positions (`Flatten`).
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not any(isinstance(layer, Flatten) for layer in self.layers):
            raise InputError(
                f"a network of {len(self.layers)} layers without flatten leaves one kernel for "
                "each pixel: put a flatten layer before the readout"
            )

    def __call__(self, x1: Rows, x2: Rows) -> Block:
        first, *rest = self.layers
        v1, v2 = first.input_variance(x1), first.input_variance(x2)
        d = first.input_distance(x1, x2)
        for layer in rest:
            v1, v2, d = layer.variance(v1), layer.variance(v2), layer.distance(d, v1, v2)
        # k12 = (k11 + k22 - D) / 2
        return (v1.ntk[:, None] + v2.ntk[None, :] - d.ntk) / 2

    def diagonal(self, x: Rows) -> Float[Array, " rows"]:
        first, *rest = self.layers
        v = first.input_variance(x)
        for layer in rest:
            v = layer.variance(v)
        return v.ntk

    def bytes_per_pair(self, row_shape: tuple[int, ...], itemsize: int) -> int:
        positions = [math.prod(shape) for shape in self._position_shapes(row_shape)]
        # A pull-back keeps about eight numbers per position and pair of each layer.
        return 8 * itemsize * sum(positions)

    def _position_shapes(self, row_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """The shape of the positions after each layer."""

        def trace(x: jax.Array) -> list[jax.Array]:
            first, *rest = self.layers
            v = [first.input_variance(x)]
            for layer in rest:
                v.append(layer.variance(v[-1]))
            return [each.nngp for each in v]

        shapes = jax.eval_shape(trace, jax.ShapeDtypeStruct((1, *row_shape), jnp.float32))
        return [shape.shape[:-1] for shape in shapes]
