"""Windows of a convolution, against XLA's own."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.kernels.covariance import squared_distance
from ganntk.kernels.windows import Window, patches, window_distance, window_sum

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

WINDOWS = [
    Window((4, 4), (2, 2), "SAME"),
    Window((3, 2), (1, 2), "SAME"),
    Window((2, 3), (2, 1), "VALID"),
    Window((7, 7), (1, 1), "SAME"),
]


def some(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_sum_is_that_of_xla(window):
    k = some(5, 6, 3)
    found = jax.jit(functools.partial(window_sum, window=window))(k)
    wanted = jax.lax.reduce_window(
        k, 0.0, jax.lax.add, (*window.shape, 1), (*window.strides, 1), window.padding
    )
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)


def test_patches_are_those_of_xla():
    window = WINDOWS[1]
    a = some(5, 6, 2, 3)
    found = jax.jit(functools.partial(patches, window=window))(a)
    # XLA: batch and channels first, and in a patch the channel is the slowest index.
    wanted = jax.lax.conv_general_dilated_patches(
        a.transpose(3, 2, 0, 1), window.shape, window.strides, window.padding
    )
    shape = (3, 2, *window.shape, *wanted.shape[2:])
    wanted = wanted.reshape(shape).transpose(4, 5, 2, 3, 1, 0).reshape(found.shape)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-15)


@pytest.mark.parametrize("window", WINDOWS[:3])
def test_the_distance_of_patches_and_its_pullback_are_those_of_summed_pixels(window):
    a, b = some(5, 6, 2, 3), some(5, 6, 2, 4, seed=1)

    def by_patches(a: jax.Array, b: jax.Array) -> jax.Array:
        return window_distance(window, a, b)

    def by_pixels(a: jax.Array, b: jax.Array) -> jax.Array:
        # Written as a norm: nothing of ours is in it but the sum over windows.
        differences = a[..., :, None] - b[..., None, :]
        return window_sum(jnp.sum(differences**2, axis=-3), window)

    @functools.partial(jax.jit, static_argnums=0)
    def value_and_pullback(f, a, b):
        value, pull = jax.vjp(f, a, b)
        return value, *pull(jnp.cos(value))

    found, wanted = (value_and_pullback(f, a, b) for f in (by_patches, by_pixels))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


def test_a_squared_distance_does_not_cancel_in_float32():
    a = some(20, 1).astype(jnp.float32)
    b = a + jnp.float32(1e-3) * some(20, 1, seed=1).astype(jnp.float32)
    wanted = np.sum((np.asarray(a, np.float64) - np.asarray(b, np.float64)) ** 2)
    assert float(squared_distance(a, b)[0, 0]) == pytest.approx(wanted, rel=1e-6)
