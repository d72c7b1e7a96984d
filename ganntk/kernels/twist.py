r"""How a nonlinearity maps the covariance of differences of two images. Layer 2.

For features a, b of two images at positions p and q, this is the twist
$C = \langle a_p - b_p, a_q - b_q \rangle$: minus half of $F_{11} - F_{12} - F_{21} + F_{22}$, where
F holds the distances of p in one image from q in another. After a nonlinearity it is that of four
mapped distances. Where b is close to a all four are equal but for rounding, and their second
difference is taken from the derivatives of the map instead.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganntk.kernels.covariance import Distance, Variance, over_pairs
from ganntk.kernels.layers import Layer


class Corners(NamedTuple):
    """Distances of p in image i from q in image j, each (pairs, positions, positions)."""

    d11: Distance
    d12: Distance
    d21: Distance
    d22: Distance


class Ends(NamedTuple):
    """Variances of the two images of a pair, each (pairs, positions)."""

    v1: Variance
    v2: Variance


def twist(f: Corners) -> Distance:
    """The twist of four distances, by subtraction: exactly zero for equal images."""
    return jax.tree.map(lambda a, b, c, d: ((b - a) + (c - d)) / 2, *f)


def mapped_twist(
    layer: Layer, before: Corners, ends: Ends, c: Distance, after: Corners
) -> Distance:
    """The twist after a nonlinearity.

    Args:
        layer: the nonlinearity.
        before: distances before it.
        ends: variances before it.
        c: the twist before it.
        after: distances after it, of which this is the twist: all derivatives are theirs.
    """
    plain = twist(after)
    expanded = _expanded(layer, before, ends, c)
    is_close = _is_close(before, ends)

    def rounded(series: jax.Array, difference: jax.Array, d12: jax.Array) -> jax.Array:
        # Cauchy and Schwarz: exactly zero where one position has not moved, so that at equal images
        # no rounding is left for an angle to be made of.
        bound = math.prod(over_pairs(*2 * [jnp.sqrt(_same_position(d12))]))
        return jnp.clip(jnp.where(is_close, series, difference), -bound, bound)

    value = jax.tree.map(rounded, expanded, plain, after.d12)
    stop = jax.lax.stop_gradient
    return jax.tree.map(lambda v, p: stop(v) + (p - stop(p)), value, plain)


def _expanded(layer: Layer, before: Corners, ends: Ends, c: Distance) -> Distance:
    r"""The second difference of the layer's map at the mean of the corners, to fourth order.

    With $s, t = \pm 1$ for the images of p and q, $F_{st} = F + s F_s + t F_t - st C / 2$; terms of
    odd order cancel, so that $C' = \partial_F f\,C - 2\,\partial_s \partial_t f$.
    """
    middle = jax.tree.map(lambda x, y: (x + y) / 2, *ends)
    half = jax.tree.map(lambda x, y: (x - y) / 2, *ends)
    still = jax.tree.map(jnp.zeros_like, middle)
    center = jax.tree.map(lambda a, b, c, d: ((a + d) + (b + c)) / 4, *before)
    by_p = jax.tree.map(lambda a, b, c, d: ((a - d) + (b - c)) / 4, *before)
    by_q = jax.tree.map(lambda a, b, c, d: ((a - d) + (c - b)) / 4, *before)
    at = (center, middle, middle)

    def slope_by_q(d: Distance, v1: Variance, v2: Variance) -> Distance:
        return jax.jvp(layer.smooth_distance, (d, v1, v2), (by_q, still, half))[1]

    first = jax.jvp(layer.smooth_distance, at, (c, still, still))[1]
    second = jax.jvp(slope_by_q, at, (by_p, half, still))[1]
    return jax.tree.map(lambda x, y: x - 2 * y, first, second)


def _is_close(before: Corners, ends: Ends) -> jax.Array:
    """Whether the images differ so little, for the angle between p and q, that a series is better.

    Its relative error is the square of the change of the angle, that of a subtraction epsilon over
    this square.
    """
    u, v = over_pairs(*2 * [(ends.v1.nngp + ends.v2.nngp) / 2])
    d = (before.d12.nngp + before.d21.nngp) / 2
    # u v - k^2 with k = (u + v - D)/2
    gram = ((u + v) * d - jnp.square(d) / 2 - jnp.square(u - v) / 2) / 2
    at_p, at_q = over_pairs(*2 * [_same_position(before.d12.nngp)])
    return at_p * v + at_q * u < np.sqrt(jnp.finfo(d.dtype).eps) * gram


def _same_position(d: jax.Array) -> jax.Array:
    """Distances of equal positions, (pairs, positions)."""
    return jnp.diagonal(d, axis1=-2, axis2=-1)
