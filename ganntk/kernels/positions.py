r"""Pairs of positions, for the layers of a network up to its last average pooling. Layer 2.

The mean over a window needs the covariance of every position p of one image with every position q
of the other. Here each position is a row of its own: $D_{ij}[p, q] = |a_i[p] - a_j[q]|^2$, for a
list of pairs (i, j) of images. Layers that act on one position map these as they map any rows.

A pooled distance is what is left of the mean of $D_{ij}$ after half of those of $D_{ii}$ and
$D_{jj}$. Where images are close this is the mean of the twist (`ganntk.kernels.twist`), which is
carried beside D for its digits, as far as a pooling that something nonlinear follows. After that
pooling only covariances matter, and neither $D_{ii}$ nor the twist is computed.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.kernels.covariance import Distance, Variance, distance_of, features, variance_of
from ganntk.kernels.layers import Conv, Dense, Layer
from ganntk.kernels.pair_windows import (
    APART,
    JOINTLY,
    PerPair,
    PerPosition,
    over_positions,
    window_mean,
    window_mean_of_twists,
)
from ganntk.kernels.pooling import Pooling
from ganntk.kernels.twist import Corners, Ends, mapped_twist
from ganntk.kernels.windows import Window, patches, window_sum
from ganntk.typing import Images

T = TypeVar("T")


class ImagePairs(NamedTuple):
    """Which images are paired: all of one set with all of another, or each with itself.

    Attributes:
        count1: number of images in the first set.
        count2: number of images in the second set; None pairs each image of the first with itself.
        is_exact: whether every image is paired with itself as well, behind the pairs wanted.
    """

    count1: int
    count2: int | None
    is_exact: bool

    @property
    def wanted(self) -> int:
        """Number of pairs that were asked for."""
        return self.count1 * (1 if self.count2 is None else self.count2)

    def own(self, k: Float[Array, "pairs ..."]) -> Float[Array, "images ..."]:
        """Those of images with themselves."""
        return k if self.count2 is None else k[self.wanted :]

    def of_first(self, k: Float[Array, "images ..."]) -> Float[Array, "wanted ..."]:
        """What belongs to the first image of each wanted pair."""
        if self.count2 is None:
            return k
        # Broadcast, not indexed: a gather moves one number at a time.
        each = jnp.broadcast_to(k[: self.count1, None], (self.count1, self.count2, *k.shape[1:]))
        return each.reshape(-1, *k.shape[1:])

    def of_second(self, k: Float[Array, "images ..."]) -> Float[Array, "wanted ..."]:
        """What belongs to the second image of each wanted pair."""
        if self.count2 is None:
            return k
        each = jnp.broadcast_to(k[None, self.count1 :], (self.count1, self.count2, *k.shape[1:]))
        return each.reshape(-1, *k.shape[1:])

    def both(self, k: Float[Array, "images ..."]) -> tuple[jax.Array, jax.Array]:
        """What belongs to the two images of each pair, wanted or own, shape (pairs, ...)."""
        ends = self.of_first(k), self.of_second(k)
        if not self.is_exact or self.count2 is None:
            return ends
        return jnp.concatenate([ends[0], k]), jnp.concatenate([ends[1], k])

    def ends(self, v: Variance) -> Ends:
        """The variances (h, w, images) of the two images of each pair, (pairs, h, w)."""
        # Materialised: a pair of positions would otherwise look its images up again.
        nngp, ntk = jax.lax.optimization_barrier([self.both(jnp.moveaxis(k, -1, 0)) for k in v])
        return Ends(*map(Variance, nngp, ntk))


class Positions(NamedTuple):
    """What a layer passes on: which pairs; variances (h, w, images), distances and twists."""

    pairs: ImagePairs
    v: Variance
    d: Distance
    c: Distance | None

    def without_own(self) -> "Positions":
        """Without the pairs of an image with itself that nobody wants, and without twists."""
        wanted = Distance(*(k[: self.pairs.wanted] for k in self.d))
        return Positions(self.pairs._replace(is_exact=False), self.v, wanted, None)


def states(
    layers: Sequence[Layer], images: Images, pairs: ImagePairs, *, exact: int
) -> Iterator[Positions]:
    """Go through the layers up to the last pooling and give what each of them passes on.

    Args:
        layers: from the input to the last pooling.
        images: the images that `pairs` counts.
        pairs: which of them are paired.
        exact: number of layers up to the last pooling that something nonlinear follows. After
            the others a variance and the distances are known up to one number for each image and
            position, which leaves covariances as they are.
    """
    if images.ndim != 4:
        raise InputError(
            f"rows of shape {images.shape[1:]}: expected images (h, w, c) for average pooling; "
            "take a network without it"
        )
    state, first = _entered(layers[0], images, pairs)
    for count, layer in enumerate((first, *layers[1:])):
        if count == exact:
            state = state.without_own()
        state = _stepped(layer, state)
        # Materialised: windows read a value many times, each time with the chain behind it.
        v, d, c = jax.lax.optimization_barrier((state.v, state.d, state.c))
        state = Positions(state.pairs, v, d, c)
        yield state


def same_positions(state: Positions) -> Distance:
    """The distances of equal positions of the wanted pairs, (h, w, pairs)."""
    diagonals = (_diagonal(k[: state.pairs.wanted]) for k in state.d)
    return Distance(*(jnp.moveaxis(k, 0, -1) for k in diagonals))


def _entered(layer: Layer, images: Images, pairs: ImagePairs) -> tuple[Positions, Layer]:
    """The raw features that the first layer reads, and what it does to each of them."""
    a = features(images)
    if isinstance(layer, Conv):
        a = patches(a, Window(layer.filter_shape, layer.strides, layer.padding))
        layer = _dense(layer)
    scale, size = 1 / a.shape[-2], a.shape[:2]
    # (h, w, k, images) -> (images, k, positions)
    by_image = jnp.moveaxis(a.reshape(-1, *a.shape[2:]), (2, 1), (0, 1))
    first, second = pairs.both(by_image)
    d = distance_of(first, second, scale)
    c = None
    if pairs.is_exact:
        change = (first - second)[: pairs.wanted]
        nngp = scale * jnp.einsum("bkp,bkq->bpq", change, change, precision="highest")
        c = Distance(nngp, jnp.zeros_like(nngp))
        c = _unfolded(c, size)
    return Positions(pairs, variance_of(a, scale), _unfolded(d, size), c), layer


def _stepped(layer: Layer, state: Positions) -> Positions:
    match layer:
        case Pooling():
            return _pooled(layer, state)
        case Conv():
            return _convolved(layer, state)
        case Dense():
            c = None if state.c is None else layer.scaled(state.c)
            return Positions(state.pairs, layer.variance(state.v), layer.scaled(state.d), c)
        case _:
            return _bent(layer, state)


def _convolved(layer: Conv, state: Positions) -> Positions:
    window, scaled = Window(layer.filter_shape, layer.strides, layer.padding), _dense(layer).scaled
    mean = functools.partial(window_mean, window=window, along=JOINTLY)
    ends = state.pairs.ends(state.v)
    d = Distance(*(mean(*each) for each in zip(state.d, *ends, strict=True)))
    c = None if state.c is None else scaled(window_mean_of_twists(state.c, mean))
    return Positions(state.pairs, layer.variance(state.v), scaled(d), c)


def _pooled(layer: Pooling, state: Positions) -> Positions:
    pairs, (height, width) = state.pairs, state.d.nngp.shape[1:3]
    window = layer.windows_over(height, width)
    mean = functools.partial(window_mean, window=window, along=APART)
    ends = pairs.ends(state.v)
    d = jax.lax.optimization_barrier([mean(*each) for each in zip(state.d, *ends, strict=True)])
    v = [window_sum(k, window) / math.prod(window.shape) for k in state.v]
    if state.c is None:
        return Positions(pairs, Variance(*v), Distance(*d), None)
    c = window_mean_of_twists(state.c, mean)
    # |mean_p a_p|^2 = mean_p v[p] - (1/2) mean_pp' D[p, p']
    lost = [_diagonal(pairs.own(k)) / 2 for k in d]
    v = [k - jnp.moveaxis(each, 0, -1) for k, each in zip(v, lost, strict=True)]
    less = [over_positions(*pairs.both(each)) for each in lost]
    d = [_difference(k, a + b, sum(window.shape)) for k, (a, b) in zip(d, less, strict=True)]
    d = [_with_diagonal(k, each) for k, each in zip(d, c, strict=True)]
    return Positions(pairs, Variance(*v), Distance(*d), c)


def _difference(d: jax.Array, less: jax.Array, terms: int) -> jax.Array:
    """Subtract; windows that hold the same are at zero, not at an angle made of rounding."""
    left = d - less
    return jnp.where(left > 2 * terms * jnp.finfo(d.dtype).eps * d, left, 0)


def _bent(layer: Layer, state: Positions) -> Positions:
    """A layer that acts on each position alone: every position of an image is a row."""
    pairs, size = state.pairs, state.d.nngp.shape[1:3]
    # Materialised here and below: what is fused with another shape, or with a look-up, is no vector
    # code any more, and each corner would compute the layer again.
    fold = jax.lax.optimization_barrier
    ends, before = fold((_folded(pairs.ends(state.v), 1), _folded(state.d, 2)))
    after = fold(layer.distance(before, *ends))
    c = None
    if state.c is not None:
        wanted = jax.tree.map(lambda k: k[: pairs.wanted], ends)
        corners = _corners(pairs, before), _corners(pairs, after)
        old, new, wanted = fold((*corners, wanted))
        c = fold(mapped_twist(layer, old, wanted, fold(_folded(state.c, 2)), new))
        c = _unfolded(c, size)
    return Positions(pairs, layer.variance(state.v), _unfolded(after, size), c)


def _corners(pairs: ImagePairs, d: Distance) -> Corners:
    """The four distances of positions that the wanted pairs' images have among them."""
    d12 = Distance(*(k[: pairs.wanted] for k in d))
    d21 = Distance(*(jnp.swapaxes(k, 1, 2) for k in d12))
    own = [pairs.own(k) for k in d]
    d11, d22 = (Distance(*map(of, own)) for of in (pairs.of_first, pairs.of_second))
    return Corners(d11, d12, d21, d22)


def _dense(layer: Conv) -> Dense:
    """What a convolution does to the mean over its window."""
    return Dense(layer.weight_variance, layer.bias_variance)


def _diagonal(d: PerPair) -> PerPosition:
    """Equal positions of the two images."""
    b, h, w = d.shape[:3]
    return jnp.diagonal(d.reshape(b, h * w, h * w), axis1=1, axis2=2).reshape(b, h, w)


def _with_diagonal(d: PerPair, c: PerPair) -> PerPair:
    """Put twists, the leading pairs', in the place of the distances of equal positions."""
    h, w = d.shape[1:3]
    is_same = np.eye(h * w, dtype=bool).reshape(h, w, h, w)
    return d.at[: len(c)].set(jnp.where(is_same, c, d[: len(c)]))


def _folded(tree: T, sides: int) -> T:
    """(pairs, h, w) -> (pairs, positions), for one side or for two."""
    return jax.tree.map(lambda k: k.reshape(len(k), *[math.prod(k.shape[1:3])] * sides), tree)


def _unfolded(d: Distance, size: Sequence[int]) -> Distance:
    """(pairs, positions, positions) -> (pairs, h, w, h, w)."""
    return Distance(*(k.reshape(len(k), *size, *size) for k in d))
