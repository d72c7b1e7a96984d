"""The discriminator and whole syntheses on a GPU against the CPU."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk import discriminator, synthesize
from ganntk.typing import LowRank

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("float64")]

STEPS = 20


def some_gram(count: int) -> np.ndarray:
    """A Gram matrix with the decaying spectrum of a smooth kernel."""
    points = np.random.default_rng(0).uniform(size=(count, 3))
    return np.exp(-2 * np.sum((points[:, None] - points[None]) ** 2, axis=2))


def solved(K: np.ndarray, solver: discriminator.Solver, dtype: str) -> tuple[np.ndarray, ...]:
    """Loss, predictions and the whole cotangent."""
    y = discriminator.labels(len(K) // 2, len(K) - len(K) // 2, jnp.float64)
    found = jax.jit(functools.partial(discriminator.loss_and_cotangent, solver=solver))(
        jnp.asarray(K, dtype), y, 3.0
    )
    G = found.cotangent
    if isinstance(G, LowRank):
        G = G.left @ G.right.T
    return np.asarray(found.loss), np.asarray(found.predictions), np.asarray(G)


@pytest.mark.parametrize(
    ("solver", "dtype", "tolerance"),
    [("eigh", "float64", 1e-9), ("lanczos", "float64", 1e-8), ("lanczos", "float32", 1e-5)],
)
def test_a_discriminator_is_that_of_the_cpu(solver, dtype, tolerance, cpu):
    K = some_gram(300)
    with jax.default_device(cpu):
        wanted = solved(K, "eigh", "float64")
    for found, expected in zip(solved(K, solver, dtype), wanted, strict=True):
        difference = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        print(f"{solver} {dtype}: {difference:.1e}")
        assert difference < tolerance


@pytest.mark.parametrize("solver", ["eigh", "lanczos"])
def test_a_synthesis_is_that_of_the_cpu(solver, cpu):
    real = np.random.default_rng(0).uniform(size=(12, 8, 8, 1))
    run = functools.partial(
        synthesize, real, kernel="cnn-small", steps=STEPS, precision="float64", solver=solver
    )
    with jax.default_device(cpu):
        wanted = run()
    found = run()
    print(f"{solver}: images {np.max(np.abs(found.images - wanted.images)):.1e}")
    np.testing.assert_allclose(found.lam, wanted.lam, rtol=1e-9)
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-7)
    # Images are given in float32; Adam enlarges what is left of a vanishing gradient.
    np.testing.assert_allclose(found.images, wanted.images, atol=1e-6)
    assert found.loss[-1] < found.loss[0]


def test_a_synthesis_in_float32_follows_that_in_float64():
    real = np.random.default_rng(0).uniform(size=(12, 8, 8, 1))
    curves = {
        precision: synthesize(real, kernel="cnn-small", steps=STEPS, lam=1.0, precision=precision)
        for precision in ("float32", "float64")
    }
    np.testing.assert_allclose(curves["float32"].loss, curves["float64"].loss, rtol=1e-4)
