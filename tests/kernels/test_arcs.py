"""The angle functions of the ReLU kernels: exact to rounding from zero to a straight angle."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.kernels.arcs import angle, sine_gap

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

PRECISIONS = (np.float32, np.float64)
# The polynomials' degrees are chosen for 8e-8 and 3e-15, see ganntk.kernels.arcs.
ULPS = {np.float32: 2, np.float64: 14}


def angles_squared(dtype: type) -> np.ndarray:
    """h = sin^2(theta / 2) at every scale: near 0, near 1, at the seam, and in between."""
    smallest = math.log10(np.finfo(dtype).tiny) + 1
    near_zero = np.logspace(smallest, -1, 200)
    near_one = 1 - np.logspace(-7 if dtype == np.float32 else -15, -1, 100)
    seam = np.nextafter(dtype(0.5), [dtype(0), dtype(1)])
    h = np.concatenate([[0, 1, 0.5], near_zero, near_one, seam, np.linspace(0, 1, 501)])
    return np.unique(h.astype(dtype))


def theta_of(h: np.ndarray) -> np.ndarray:
    """2 arcsin(sqrt h), in the widest precision there is."""
    return 2 * np.arcsin(np.sqrt(h.astype(np.longdouble)))


def sine_gap_of(theta: np.ndarray) -> np.ndarray:
    """Its Taylor series, sum of (-1)^(k+1) 2k theta^(2k+1) / (2k+1)!, which cancels little."""
    terms = [
        (-1) ** (k + 1) * 2 * k * theta ** (2 * k + 1) / np.longdouble(math.factorial(2 * k + 1))
        for k in range(1, 25)
    ]
    return np.sum(terms[::-1], axis=0)


def assert_equal_to_rounding(found: jax.Array, wanted: np.ndarray, *, ulps: float) -> None:
    epsilon = float(jnp.finfo(found.dtype).eps)
    np.testing.assert_allclose(
        np.asarray(found, np.longdouble), wanted, rtol=ulps * epsilon, atol=0
    )


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_the_angle_is_exact_to_rounding(dtype):
    h = angles_squared(dtype)
    found = angle(jnp.asarray(h))
    assert found.dtype == dtype
    assert_equal_to_rounding(found, theta_of(h), ulps=ULPS[dtype])


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_the_sine_gap_is_exact_to_rounding(dtype):
    # theta^3 must not underflow.
    h = angles_squared(dtype)
    h = h[(h == 0) | (h > np.finfo(dtype).tiny ** 0.6)]
    found = sine_gap(jnp.asarray(h))
    assert found.dtype == dtype
    assert_equal_to_rounding(found, sine_gap_of(theta_of(h)), ulps=ULPS[dtype])


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_the_derivative_of_the_angle_is_exact_to_rounding_and_zero_at_both_ends(dtype):
    h = angles_squared(dtype)
    found = jax.vmap(jax.grad(angle))(jnp.asarray(h))
    wide = h.astype(np.longdouble)
    inside = (h > 0) & (h < 1)
    wanted = np.where(inside, 1 / np.sqrt(np.where(inside, wide * (1 - wide), 1)), 0)
    assert_equal_to_rounding(found, wanted, ulps=ULPS[dtype])
    assert found[0] == found[-1] == 0


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_the_derivative_of_the_sine_gap_is_twice_the_angle(dtype):
    h = angles_squared(dtype)
    found = jax.vmap(jax.grad(sine_gap))(jnp.asarray(h))
    assert_equal_to_rounding(found, 2 * theta_of(h), ulps=ULPS[dtype])


def test_the_ends_are_exact():
    ends = jnp.asarray([0.0, 1.0])
    np.testing.assert_array_equal(angle(ends), [0, np.pi])
    np.testing.assert_array_equal(sine_gap(ends), [0, np.pi])
