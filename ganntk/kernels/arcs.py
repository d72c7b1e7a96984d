r"""The two functions of an angle that the ReLU kernels need, exact near zero. Layer 2.

Both take $h = \sin^2(\theta/2)$, which a squared distance gives without cancellation, and use
$\arcsin(\sqrt h) = \sqrt h\,P(h)$ and $\sin\theta - \theta\cos\theta = h^{3/2} Q(h)$ on $[0, 1/2]$,
with the other half by reflection. $P$ and $Q$ are Chebyshev interpolants of their Taylor series:
only additions, products and square roots, so a compiler vectorises them, which it does not do with
an inverse cosine.
"""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Degrees at which the relative error on [0, 1/2] reaches rounding: 8e-8 and 3e-15.
_DEGREES = {4: 7, 8: 18}
_TAYLOR_TERMS = 80


@functools.cache
def _coefficients(itemsize: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Monomial coefficients of P and of Q, lowest power first."""
    powers = range(_TAYLOR_TERMS)
    arcsine = np.array([math.comb(2 * k, k) / 4**k / (2 * k + 1) for k in powers])
    # d(sin t - t cos t)/dh = 2 t = 4 arcsin(sqrt h), integrated term by term.
    gap = 4 * arcsine / (np.arange(_TAYLOR_TERMS) + 1.5)

    def economise(series: np.ndarray) -> tuple[float, ...]:
        chebyshev = np.polynomial.Chebyshev.interpolate(
            lambda h: np.polynomial.polynomial.polyval(h, series),
            _DEGREES[itemsize],
            domain=[0, 0.5],
        )
        return tuple(chebyshev.convert(kind=np.polynomial.Polynomial).coef.tolist())

    return economise(arcsine), economise(gap)


def _horner(coefficients: tuple[float, ...], h: jax.Array) -> jax.Array:
    value = jnp.full_like(h, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * h + coefficient
    return value


@jax.custom_jvp
def angle(h: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""The angle $\theta = 2\arcsin\sqrt h$ for $0 \le h \le 1$.

    Its derivative $1/\sqrt{h(1-h)}$ is infinite at both ends, where two rows coincide or oppose;
    there it is taken as zero, the mean over the directions in which a row can leave.
    """
    near = jnp.minimum(h, 1 - h)
    half = jnp.sqrt(near) * _horner(_coefficients(h.dtype.itemsize)[0], near)
    return jnp.where(h <= 0.5, 2 * half, math.pi - 2 * half)


@angle.defjvp
def _angle_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (h,), (dh,) = primals, tangents
    return angle(h), angle_slope(h) * dh


def angle_slope(h: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""The derivative $d\theta/dh = 1/\sqrt{h(1-h)}$, zero at both ends; see `angle`."""
    spread = h * (1 - h)
    inside = spread > 0
    return jnp.where(inside, jax.lax.rsqrt(jnp.where(inside, spread, 1)), 0)


@jax.custom_jvp
def sine_gap(h: Float[Array, "..."]) -> Float[Array, "..."]:
    r"""The gap $\sin\theta - \theta\cos\theta$ at $\theta = 2\arcsin\sqrt h$, $0 \le h \le 1$.

    Its derivative in $h$ is $2\theta$.
    """
    near = jnp.minimum(h, 1 - h)
    arcsine, gap = _coefficients(h.dtype.itemsize)
    root = jnp.sqrt(near)
    small = near * root * _horner(gap, near)
    # Beyond a right angle: sin t + (pi - t) cos t at the reflected angle, nothing cancels.
    reflected = 2 * root * _horner(arcsine, near)
    large = 2 * root * jnp.sqrt(1 - near) + (math.pi - reflected) * (1 - 2 * near)
    return jnp.where(h <= 0.5, small, large)


@sine_gap.defjvp
def _sine_gap_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (h,), (dh,) = primals, tangents
    return sine_gap(h), 2 * angle(h) * dh
