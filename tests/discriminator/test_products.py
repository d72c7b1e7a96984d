"""Products with float32 matrices: their memory, and sums in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.discriminator import Operator, products, times

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

K = np.random.default_rng(0).normal(size=(23, 17))


@pytest.mark.parametrize("memory_bytes", [1, 17 * 8 * 5, 10**6], ids=["rows", "fives", "whole"])
@pytest.mark.parametrize(("contract", "turned"), [(1, K), (0, K.T)], ids=["K v", "K^T v"])
def test_pieces_of_a_float32_matrix_give_its_float64_product(
    monkeypatch, memory_bytes, contract, turned
):
    monkeypatch.setattr(products, "_MEMORY_BYTES", memory_bytes)
    v = np.random.default_rng(1).normal(size=(turned.shape[1], 2))
    found = times(jnp.asarray(K, jnp.float32), jnp.asarray(v), contract=contract)
    assert found.dtype == jnp.float64
    np.testing.assert_allclose(found, turned.astype(np.float32).astype(float) @ v, rtol=1e-13)


def test_a_large_mean_costs_no_digits_of_what_stands_on_it():
    # Entries of 1 and a vector that sums to nearly nothing, which float32 sums would lose.
    v = np.random.default_rng(1).normal(size=(4096, 1))
    v -= v.mean()
    found = times(jnp.ones((2, 4096), jnp.float32), jnp.asarray(v))
    np.testing.assert_allclose(found, 0, atol=1e-12)


def test_the_operator_of_a_matrix_knows_its_precision_and_trace():
    square = jnp.asarray(K[:17], jnp.float32)
    operator = Operator.of(square)
    assert operator.dtype == jnp.float32
    np.testing.assert_allclose(operator.trace, np.trace(K[:17]), rtol=1e-6)
    v = jnp.ones((17, 1))
    np.testing.assert_array_equal(operator.product(v), times(square, v))
    assert isinstance(operator.product(v), jax.Array)
