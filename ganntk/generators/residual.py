"""A residual generator: nearest-neighbour upsampling and group normalisation. Layer 2.

Group normalisation looks at one image at a time, so a row is the same in training and afterwards
and in any batch, and there are no statistics to keep.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.generators.network import Codes, Network
from ganntk.typing import Images

_WINDOW = (3, 3)
_MOST_GROUPS = 8


@Network.register("residual")
@dataclass(frozen=True)
class Residual(Network):
    """A first feature map, then blocks that double the side and add to an upsampled shortcut.

    Attributes:
        latent: numbers of a code.
        channels: of the first feature map and after each block; each block doubles the side, so
            the side of the image is a multiple of 2 to their number less one.
    """

    latent: int = 64
    channels: tuple[int, ...] = (128, 64, 32)

    def __post_init__(self) -> None:
        if self.latent < 1:
            raise InputError(f"network.latent is {self.latent}: expected at least 1")
        if len(self.channels) < 2 or any(value < 1 for value in self.channels):
            raise InputError(
                f"network.channels is {self.channels}: expected at least two positive widths"
            )

    def build(self, row_shape: tuple[int, ...], *, rngs: nnx.Rngs, dtype: jnp.dtype) -> nnx.Module:
        if len(row_shape) != 3 or row_shape[0] != row_shape[1]:
            raise InputError(
                f"generator network residual makes square images, and the real rows have shape "
                f"{row_shape}: take network.type dense, or square images"
            )
        doublings = len(self.channels) - 1
        if row_shape[0] % 2**doublings:
            raise InputError(
                f"{doublings} blocks double the side, which makes no {row_shape[0]} pixels: give "
                "fewer network.channels"
            )
        return _Generator(self, row_shape, rngs, dtype)


class _Block(nnx.Module):
    def __init__(self, width: int, after: int, rngs: nnx.Rngs, dtype: jnp.dtype) -> None:
        options = {"rngs": rngs, "param_dtype": dtype, "dtype": dtype}
        self.first_norm = _norm(width, rngs, dtype)
        self.first = nnx.Conv(width, after, _WINDOW, **options)
        self.second_norm = _norm(after, rngs, dtype)
        self.second = nnx.Conv(after, after, _WINDOW, **options)
        self.shortcut = nnx.Conv(width, after, (1, 1), **options)

    def __call__(self, features: Float[Array, "rows h w c"]) -> Float[Array, "rows 2*h 2*w d"]:
        inner = _doubled(nnx.silu(self.first_norm(features)))
        inner = self.second(nnx.silu(self.second_norm(self.first(inner))))
        # The variance of the sum is that of its parts.
        return (inner + _doubled(self.shortcut(features))) / math.sqrt(2)


class _Generator(nnx.Module):
    def __init__(
        self, network: Residual, row_shape: tuple[int, ...], rngs: nnx.Rngs, dtype: jnp.dtype
    ) -> None:
        channels = network.channels
        side = row_shape[0] // 2 ** (len(channels) - 1)
        options = {"rngs": rngs, "param_dtype": dtype, "dtype": dtype}
        self.first_map = (side, side, channels[0])
        self.dense = nnx.Linear(network.latent, math.prod(self.first_map), **options)
        self.blocks = nnx.List([_Block(a, b, rngs, dtype) for a, b in pairwise(channels)])
        self.norm = _norm(channels[-1], rngs, dtype)
        self.last = nnx.Conv(channels[-1], row_shape[-1], _WINDOW, **options)

    def __call__(self, z: Codes) -> Images:
        features = self.dense(z).reshape(-1, *self.first_map)
        for block in self.blocks:
            features = block(features)
        return nnx.sigmoid(self.last(nnx.silu(self.norm(features))))


def _norm(width: int, rngs: nnx.Rngs, dtype: jnp.dtype) -> nnx.GroupNorm:
    groups = math.gcd(width, _MOST_GROUPS)
    return nnx.GroupNorm(width, num_groups=groups, rngs=rngs, param_dtype=dtype, dtype=dtype)


def _doubled(features: Float[Array, "rows h w c"]) -> Float[Array, "rows 2*h 2*w c"]:
    return jnp.repeat(jnp.repeat(features, 2, axis=1), 2, axis=2)
