"""Transposed convolutions, as in the paper's generators for images. Layer 2."""

from dataclasses import dataclass
from itertools import pairwise

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.generators.network import Codes, Network
from ganntk.typing import Images

_WINDOW, _STRIDE = (4, 4), (2, 2)


@dataclass(frozen=True)
class _Shape:
    """The paper's choices for one side length (supplement, Tables 1 to 3)."""

    dense: tuple[int, ...]
    side: int
    channels: tuple[int, ...]


# Side of the image -> layers. The last transposed convolution has the image's channels.
_PAPER = {
    28: _Shape(dense=(1024,), side=7, channels=(128, 64)),
    32: _Shape(dense=(), side=2, channels=(448, 256, 128, 64)),
    64: _Shape(dense=(), side=2, channels=(448, 256, 128, 64, 32)),
    128: _Shape(dense=(), side=4, channels=(1024, 1024, 512, 256, 128)),
}


@Network.register("transposed")
@dataclass(frozen=True)
class Transposed(Network):
    """Dense layers, then transposed convolutions of 4 x 4 with stride 2 up to the image's size.

    Batch normalisation follows the dense layers and the first convolution, ReLU every layer but the
    last. Without arguments: the paper's networks for images of 28, 32, 64 and 128 pixels.

    Attributes:
        latent: numbers of a code.
        dense: widths of dense layers before the one that makes the first feature map; None for the
            paper's.
        channels: of the first feature map and of the convolutions but the last; None for the
            paper's. Each but the first doubles the side, and so does the last convolution.
        width: factor on all of the paper's widths, such as 0.25 for a small network.
    """

    latent: int = 64
    dense: tuple[int, ...] | None = None
    channels: tuple[int, ...] | None = None
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.latent < 1:
            raise InputError(f"network.latent is {self.latent}: expected at least 1")
        if not self.width > 0:
            raise InputError(f"network.width is {self.width}: expected a positive factor")
        for name in ("dense", "channels"):
            if any(value < 1 for value in getattr(self, name) or ()):
                raise InputError(
                    f"network.{name} is {getattr(self, name)}: expected positive widths"
                )

    def build(self, row_shape: tuple[int, ...], *, rngs: nnx.Rngs, dtype: jnp.dtype) -> nnx.Module:
        return _Generator(self, self._shape(row_shape), row_shape, rngs, dtype)

    def _shape(self, row_shape: tuple[int, ...]) -> _Shape:
        if len(row_shape) != 3 or row_shape[0] != row_shape[1]:
            raise InputError(
                f"generator network transposed makes square images, and the real rows have shape "
                f"{row_shape}: take network.type dense, or square images"
            )
        side, paper = row_shape[0], _PAPER.get(row_shape[0])
        if paper is None and self.channels is None:
            raise InputError(
                f"the paper has no generator for images of {side} pixels, only for "
                f"{', '.join(map(str, _PAPER))}: give network.channels"
            )
        dense = self.dense if self.dense is not None else _scaled(paper, "dense", self.width)
        channels = self.channels or _scaled(paper, "channels", self.width)
        factor = 2 ** len(channels)
        if side % factor:
            raise InputError(
                f"{len(channels)} network.channels double the side {len(channels)} times, which "
                f"makes no {side} pixels: give fewer"
            )
        return _Shape(dense, side // factor, channels)


def _scaled(paper: _Shape | None, name: str, width: float) -> tuple[int, ...]:
    return tuple(max(1, round(width * each)) for each in getattr(paper, name, ()))


class _Generator(nnx.Module):
    def __init__(
        self,
        network: Transposed,
        shape: _Shape,
        row_shape: tuple[int, ...],
        rngs: nnx.Rngs,
        dtype: jnp.dtype,
    ) -> None:
        first = shape.side**2 * shape.channels[0]
        widths = (network.latent, *shape.dense, first)
        depths = (*shape.channels, row_shape[-1])
        self.first_map = (shape.side, shape.side, shape.channels[0])
        self.is_grey = row_shape[-1] == 1
        options = {"rngs": rngs, "param_dtype": dtype, "dtype": dtype}
        self.dense = nnx.List([nnx.Linear(a, b, **options) for a, b in pairwise(widths)])
        self.dense_norms = nnx.List([nnx.BatchNorm(width, **options) for width in widths[1:]])
        self.convolutions = nnx.List(
            [
                nnx.ConvTranspose(a, b, _WINDOW, strides=_STRIDE, **options)
                for a, b in pairwise(depths)
            ]
        )
        self.norm = nnx.BatchNorm(depths[1], **options) if len(depths) > 2 else None

    def __call__(self, z: Codes) -> Images:
        features: Float[Array, "rows ..."] = z
        for dense, norm in zip(self.dense, self.dense_norms, strict=True):
            features = nnx.relu(norm(dense(features)))
        features = features.reshape(-1, *self.first_map)
        for i, convolution in enumerate(self.convolutions):
            if i:
                features = nnx.relu(features)
            features = convolution(features)
            if i == 0 and self.norm is not None:
                features = self.norm(features)
        # The paper: a sigmoid for digits, tanh on the range from -1 to 1 for colours.
        return nnx.sigmoid(features) if self.is_grey else (jnp.tanh(features) + 1) / 2
