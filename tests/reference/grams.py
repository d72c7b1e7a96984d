"""Gram matrices for tests of what is made of them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits

from ganntk.kernels import gram, named


def some_rows(count: int, seed: int = 0) -> np.ndarray:
    """Points in the unit cube."""
    return np.random.default_rng(seed).uniform(size=(count, 3))


def twice(rows: np.ndarray) -> np.ndarray:
    """Points that lie on the real rows."""
    return np.concatenate([rows, rows])


def gram_of(rows: np.ndarray) -> jax.Array:
    """A Gram matrix with the decaying spectrum of a smooth kernel."""
    gaps = rows[:, None] - rows[None, :]
    return jnp.asarray(np.exp(-2 * np.sum(gaps**2, axis=2)))


@functools.cache
def digits(n: int, m: int) -> np.ndarray:
    """`cnn-mnist` on n real digits and m other digits under noise, in float64."""
    rng = np.random.default_rng(0)
    rows = load_digits().images[: n + m, ..., None] / 16
    rows[n:] = np.clip(rows[n:] + rng.normal(scale=0.1, size=rows[n:].shape), 0, 1)
    with jax.enable_x64(True):
        kernel = jax.jit(functools.partial(gram, named("cnn-mnist")))
        return np.asarray(kernel(jnp.asarray(rows, jnp.float64)))
