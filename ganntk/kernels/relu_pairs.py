"""The ReLU map of pairs, with its pull-back written out. Layer 2.

Left to automatic differentiation, a compiler evaluates the angle again for each of the six arrays
that the pull-back gives. Here the angle is computed once, forward, and kept for the tile.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.kernels.arcs import angle, angle_slope, sine_gap
from ganntk.kernels.covariance import Distance, over_pairs

PerRow = Float[Array, "*positions rows"]
PerPair = Float[Array, "*positions rows1 rows2"]


class _Kept(NamedTuple):
    """What the pull-back needs of the forward pass."""

    r1: PerRow
    r2: PerRow
    h: PerPair
    theta: PerPair
    gap: PerPair
    ntk12: PerPair


@jax.custom_vjp
def relu_distance(d: Distance, r1: PerRow, r2: PerRow, ntk1: PerRow, ntk2: PerRow) -> Distance:
    r"""Map squared distances through a ReLU.

    Args:
        d: distances before it.
        r1: roots of the first rows' NNGP variances before it.
        r2: the same of the second rows.
        ntk1: the first rows' NTK variances before it.
        ntk2: the same of the second rows.
    """
    return _forward(d, r1, r2, ntk1, ntk2)[0]


def smooth_relu_distance(
    d: Distance, r1: PerRow, r2: PerRow, ntk1: PerRow, ntk2: PerRow
) -> Distance:
    """The map of `relu_distance` left to automatic differentiation, for forward mode."""
    return _forward(d, r1, r2, ntk1, ntk2)[0]


def _forward(
    d: Distance, r1: PerRow, r2: PerRow, ntk1: PerRow, ntk2: PerRow
) -> tuple[Distance, _Kept]:
    first, second = over_pairs(r1, r2)
    g = first * second
    h = _ratio(d.nngp - jnp.square(first - second), 4 * g)
    theta, gap = angle(h), sine_gap(h)
    a, b = over_pairs(ntk1, ntk2)
    ntk12 = (a + b - d.ntk) / 2
    mapped = Distance(nngp=d.nngp / 2 - g * gap / math.pi, ntk=d.ntk / 2 + ntk12 * theta / math.pi)
    return mapped, _Kept(r1, r2, h, theta, gap, ntk12)


def _backward(kept: _Kept, cotangent: Distance) -> tuple[Distance, PerRow, PerRow, PerRow, PerRow]:
    first, second = over_pairs(kept.r1, kept.r2)
    g = first * second
    inverse = jnp.where(g > 0, 1 / jnp.where(g > 0, g, 1), 0)
    # d gap/dh = 2 theta; d theta/dh is the slope.
    dh = (
        kept.ntk12 * angle_slope(kept.h) * cotangent.ntk - 2 * g * kept.theta * cotangent.nngp
    ) / math.pi
    # h = (D - (r1 - r2)^2) / 4g
    dd = dh * inverse / 4
    dg = -kept.gap * cotangent.nngp / math.pi - kept.h * dh * inverse
    spread = 2 * (first - second) * dd
    half_angle = kept.theta * cotangent.ntk / (2 * math.pi)
    dd, dg, spread, half_angle = jax.lax.optimization_barrier((dd, dg, spread, half_angle))
    pulled = Distance(dd + cotangent.nngp / 2, cotangent.ntk / 2 - half_angle)
    return (
        pulled,
        jnp.sum(dg * second - spread, axis=-1),
        jnp.sum(dg * first + spread, axis=-2),
        jnp.sum(half_angle, axis=-1),
        jnp.sum(half_angle, axis=-2),
    )


relu_distance.defvjp(_forward, _backward)


def _ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """Quotient in [0, 1]: rounding may leave it by an ulp; zero where a row vanishes."""
    positive = denominator > 0
    quotient = numerator / jnp.where(positive, denominator, 1)
    return jnp.where(positive, jnp.clip(quotient, 0, 1), 0)
