"""A stack of layers as one neural tangent kernel. Layer 2."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.kernels.base import Kernel
from ganntk.kernels.covariance import Distance, Variance
from ganntk.kernels.layers import Conv, Dense, Flatten, Layer
from ganntk.kernels.pooling import GlobalAvgPool, Pooling
from ganntk.kernels.positions import ImagePairs, Positions, same_positions, states
from ganntk.typing import Block, Rows

# Whatever else there is counts as nonlinear, which is always right and sometimes slow.
_LINEAR = (Dense, Conv, Flatten, Pooling)


# Rows on either side of the tile for which memory is estimated.
_SIDE = 2

Moments = TypeVar("Moments", Variance, Distance)


class Stages(NamedTuple):
    """The layers of a network by what they need to know of an image.

    Attributes:
        pixels: pooling layers at the start, which average the image itself.
        pairs: those up to the last pooling, which need pairs of positions.
        exact: how many of `pairs` reach to the last pooling that something nonlinear follows.
        rest: those that need one position at a time; all layers of a network without pooling.
    """

    pixels: tuple[Pooling, ...]
    pairs: tuple[Layer, ...]
    exact: int
    rest: tuple[Layer, ...]

    @classmethod
    def of(cls, layers: tuple[Layer, ...]) -> "Stages":
        """Divide the layers of a network, from the input to the output."""
        pooling = [i for i, layer in enumerate(layers) if isinstance(layer, Pooling)]
        bent = [i for i, layer in enumerate(layers) if not isinstance(layer, _LINEAR)]
        start = next(i for i in range(len(layers) + 1) if i not in pooling)
        end = max([start, *(i + 1 for i in pooling)])
        exact = max([start, *(i + 1 for i in pooling if bent and i < bent[-1])])
        pixels = tuple(layer for layer in layers[:start] if isinstance(layer, Pooling))
        rest = layers[end:]
        if GlobalAvgPool() in pixels:
            # What is left are positions by name only.
            rest = (Flatten(), *rest)
        return cls(pixels, layers[start:end], exact - start, rest)

    def enter(self, x: Rows) -> Rows:
        """Average the pixels as far as the network begins with that."""
        for layer in self.pixels:
            x = layer.pixels(x)
        return x

    def leave(self, of_positions: Moments) -> Moments:
        """What the last pooling leaves, (h, w, ...), without positions if it was global."""
        if not isinstance(self.pairs[-1], GlobalAvgPool):
            return of_positions
        return jax.tree.map(lambda k: k[0, 0], of_positions)


@Kernel.register("network")
@dataclass(frozen=True)
class Network(Kernel):
    """The NTK of an infinitely wide network, layer by layer.

    Up to the last average pooling, if there is one, work and memory for a pair of images grow with
    the square of the number of positions. If something nonlinear follows a pooling, each tile also
    evaluates its images against themselves, up to that pooling.

    Args:
        layers: from the input to the output; one of them must leave no positions (`Flatten` or
            `GlobalAvgPool`).
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        ends = [
            i for i, each in enumerate(self.layers) if isinstance(each, Flatten | GlobalAvgPool)
        ]
        if not ends:
            raise InputError(
                f"a network of {len(self.layers)} layers without flatten leaves one kernel for "
                "each pixel: put a flatten layer before the readout, or global_avg_pool"
            )
        if any(isinstance(layer, Pooling) for layer in self.layers[ends[0] + 1 :]):
            raise InputError(
                f"pooling after {self.layers[ends[0]]}, which leaves no positions to average: "
                "put it before"
            )

    def __call__(self, x1: Rows, x2: Rows) -> Block:
        stages = Stages.of(self.layers)
        x1, x2 = stages.enter(x1), stages.enter(x2)
        v1, v2, d, rest = _entered(stages, x1, x2)
        for layer in rest:
            v1, v2, d = layer.variance(v1), layer.variance(v2), layer.distance(d, v1, v2)
        # k12 = (k11 + k22 - D) / 2
        return (v1.ntk[:, None] + v2.ntk[None, :] - d.ntk) / 2

    def diagonal(self, x: Rows) -> Float[Array, " rows"]:
        stages = Stages.of(self.layers)
        *_, v = _variances(stages, stages.enter(x))
        return v.ntk

    def bytes_per_pair(self, row_shape: tuple[int, ...], itemsize: int) -> int:
        rows = jax.ShapeDtypeStruct((2 * _SIDE, *row_shape), jnp.float32)
        of_pairs, of_rows = jax.eval_shape(self._kept, rows)
        numbers = sum(math.prod(shape.shape) for shape in of_pairs) / _SIDE**2
        positions = sum(math.prod(shape.shape[:-1]) for shape in of_rows)
        # A pull-back keeps about eight numbers per position and pair of each layer.
        return 8 * itemsize * (math.ceil(numbers) + positions)

    def _kept(self, x: Rows) -> tuple[list[jax.Array], list[jax.Array]]:
        """What the layers pass on: for pairs of positions, in a tile, and for positions of rows."""
        stages = Stages.of(self.layers)
        x = stages.enter(x)
        tile = [(s.d.nngp, s.c and s.c.nngp) for s in _of_pairs(stages, x[:_SIDE], x[_SIDE:])]
        return jax.tree.leaves(tile), [v.nngp for v in _variances(stages, x)]


def _of_pairs(stages: Stages, x1: Rows, x2: Rows) -> Iterator[Positions]:
    """The layers up to the last pooling, between two sets of images."""
    if not stages.pairs:
        return iter(())
    pairs = ImagePairs(len(x1), len(x2), is_exact=stages.exact > 0)
    return states(stages.pairs, jnp.concatenate([x1, x2]), pairs, exact=stages.exact)


def _entered(
    stages: Stages, x1: Rows, x2: Rows
) -> tuple[Variance, Variance, Distance, tuple[Layer, ...]]:
    """What the layers of pairs pass on, or else the first layer; and the layers that are left."""
    if not stages.pairs:
        first, *rest = stages.rest
        v1, v2 = first.input_variance(x1), first.input_variance(x2)
        return v1, v2, first.input_distance(x1, x2), tuple(rest)
    *_, state = _of_pairs(stages, x1, x2)
    v, d = stages.leave(state.v), stages.leave(same_positions(state))
    v1, v2 = Variance(*(k[..., : len(x1)] for k in v)), Variance(*(k[..., len(x1) :] for k in v))
    return v1, v2, Distance(*(k.reshape(*k.shape[:-1], len(x1), len(x2)) for k in d)), stages.rest


def _variances(stages: Stages, x: Rows) -> Iterator[Variance]:
    """The variances of rows after each layer from the last pooling on."""
    rest = stages.rest
    if not stages.pairs:
        first, *rest = rest
        v = first.input_variance(x)
    else:
        pairs = ImagePairs(len(x), None, is_exact=stages.exact > 0)
        *_, state = states(stages.pairs, x, pairs, exact=stages.exact)
        # Where both are known up to one number, k = v - D/2 is not touched by it.
        v, d = stages.leave(state.v), stages.leave(same_positions(state))
        v = Variance(v.nngp - d.nngp / 2, v.ntk - d.ntk / 2)
    yield v
    for layer in rest:
        v = layer.variance(v)
        yield v
