"""Average pooling, in windows and over the whole image. Layer 2.

The mean of features at several positions has covariances of *different* positions in it, which
the maps of `ganntk.kernels.layers` never hold. So a pooling layer has no such map: it says which
windows it averages, and `ganntk.kernels.positions` carries pairs of positions up to the last one.
"""

import abc
import math
from dataclasses import dataclass
from typing import Literal, NoReturn

import jax.numpy as jnp

from ganntk.errors import InputError
from ganntk.kernels.covariance import Distance, Variance
from ganntk.kernels.layers import Layer
from ganntk.kernels.windows import Window, window_sum
from ganntk.typing import Images


class Pooling(Layer):
    """A layer that averages features over windows of positions."""

    @abc.abstractmethod
    def windows_over(self, height: int, width: int) -> Window:
        """The windows over an image of the given size."""

    def pixels(self, x: Images) -> Images:
        """Average the pixels themselves: the whole layer, where it is the first of a network."""
        if x.ndim != 4:
            raise InputError(
                f"rows of shape {x.shape[1:]}: expected images (h, w, c) for average pooling; "
                "take a network without it"
            )
        window = self.windows_over(*x.shape[1:3])
        total = window_sum(jnp.moveaxis(x, 0, -1), window)
        return jnp.moveaxis(total / math.prod(window.shape), -1, 0)

    def variance(self, v: Variance) -> NoReturn:
        raise _unmappable(self)

    def distance(self, d: Distance, v1: Variance, v2: Variance) -> NoReturn:
        raise _unmappable(self)


@Layer.register("avg_pool")
@dataclass(frozen=True)
class AvgPool(Pooling):
    """The mean of the features in a window; with `SAME`, positions outside the image are zeros.

    Every mean divides by the full window, at the border too, as `stax.AvgPool` does unless it is
    told to ``normalize_edges``.
    """

    window: tuple[int, int] = (2, 2)
    strides: tuple[int, int] = (2, 2)
    padding: Literal["SAME", "VALID"] = "VALID"

    def windows_over(self, height: int, width: int) -> Window:
        return Window(self.window, self.strides, self.padding)


@Layer.register("global_avg_pool")
@dataclass(frozen=True)
class GlobalAvgPool(Pooling):
    """The mean of the features over all positions, which leaves none."""

    def windows_over(self, height: int, width: int) -> Window:
        return Window((height, width), (1, 1), "VALID")


def _unmappable(layer: Pooling) -> InputError:
    return InputError(
        f"{layer} needs the covariances of different positions: evaluate it inside a Network"
    )
