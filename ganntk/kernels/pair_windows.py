"""Windows over pairs of positions: of a convolution, and of a mean. Layer 2."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ganntk.kernels.covariance import Distance
from ganntk.kernels.windows import Window

PerPosition = Float[Array, "pairs h w"]
PerPair = Float[Array, "pairs h1 w1 h2 w2"]

JOINTLY = ((1, 3),)
"""Axes of a `PerPair` that a convolution moves along: the same entry in both images."""

APART = ((1,), (3,))
"""Axes of a `PerPair` that a mean moves along: every entry with every other."""


def window_mean(
    d: PerPair, v1: PerPosition, v2: PerPosition, *, window: Window, along: tuple
) -> PerPair:
    """The mean over windows of distances.

    Features outside the image are zero, so that a distance from one is the variance of the other.

    Args:
        d: distances of positions.
        v1: variances of the first image's positions.
        v2: variances of the second's.
        window: the windows, of either image.
        along: `JOINTLY` or `APART`.
    """
    for axis in (0, 1):
        count, around = window.span(axis, d.shape[1 + axis])
        d, v1, v2 = _padded(d, v1, v2, axis, around)
        slide = functools.partial(_window_mean_along, window=window, axis=axis, count=count)
        # Materialised: every entry of a window reads it.
        d = jax.lax.optimization_barrier(d)
        for dims in along:
            d = slide(d, tuple(dim + axis for dim in dims))
        v1, v2 = slide(v1, (1 + axis,)), slide(v2, (1 + axis,))
    return d


def window_mean_of_twists(c: Distance, mean: Callable[..., PerPair]) -> Distance:
    """The same of twists: those with a position outside the image are zero."""
    return Distance(*(mean(k, *2 * [jnp.zeros(k.shape[:3], k.dtype)]) for k in c))


def _padded(
    d: PerPair, v1: PerPosition, v2: PerPosition, axis: int, around: tuple[int, int]
) -> tuple[PerPair, PerPosition, PerPosition]:
    if around == (0, 0):
        return d, v1, v2
    is_inside = np.pad(np.ones(d.shape[1 + axis], bool), around)
    v1, v2 = (_padded_along(v, (1 + axis,), around) for v in (v1, v2))
    both = np.expand_dims(np.outer(is_inside, is_inside), [0, 2 - axis, 4 - axis])
    first, second = over_positions(v1, v2)
    return jnp.where(both, _padded_along(d, (1 + axis, 3 + axis), around), first + second), v1, v2


def _padded_along(k: jax.Array, dims: tuple[int, ...], around: tuple[int, int]) -> jax.Array:
    return jnp.pad(k, [around if dim in dims else (0, 0) for dim in range(k.ndim)])


def _window_mean_along(
    k: jax.Array, dims: tuple[int, ...], *, window: Window, axis: int, count: int
) -> jax.Array:
    """The mean over one axis of a window, which moves along the given dimensions together."""
    width = window.shape[axis]
    if count == 1 and len(dims) == 1:
        return jnp.mean(jax.lax.slice_in_dim(k, 0, width, axis=dims[0]), axis=dims, keepdims=True)
    terms = []
    for offset in range(width):
        steps = window.steps(axis, offset, count)
        terms.append(k[tuple(steps if dim in dims else slice(None) for dim in range(k.ndim))])
    return functools.reduce(jnp.add, terms) / width


def over_positions(first: PerPosition, second: PerPosition) -> tuple[jax.Array, jax.Array]:
    """Give arrays of the two images the axes of their positions, ready to broadcast."""
    return first[:, :, :, None, None], second[:, None, None]
