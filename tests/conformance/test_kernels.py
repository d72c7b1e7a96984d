"""What every registered kernel must do: a new one is one row of the table."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.kernels import (
    RBF,
    AvgPool,
    Conv,
    Dense,
    Flatten,
    GlobalAvgPool,
    Kernel,
    Named,
    Network,
    Relu,
    StaxReference,
    gram,
    pullback,
)
from tests.reference.twins import block_and_pullback

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

SHAPE = (2, 3, 1)
KERNELS: dict[str, Kernel] = {
    "named": Named("fnn"),
    "network": Network((Conv((2, 2), (1, 2)), Relu(), Flatten(), Dense())),
    "network, pooled": Network(
        (Dense(), Relu(), AvgPool((1, 2), (1, 1)), GlobalAvgPool(), Dense())
    ),
    "network, pooled between": Network(
        (Conv((2, 2), (1, 1)), Relu(), AvgPool((2, 2), (1, 1)), Dense(), Relu(), Flatten(), Dense())
    ),
    "rbf": RBF(),
    "stax": StaxReference("tests.reference.networks:smooth"),
}
EVERY_KERNEL = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


def rows(seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(3, *SHAPE)))


def pulled(kernel: Kernel, seed1: int, seed2: int, C: jax.Array) -> tuple[jax.Array, ...]:
    """The block between two sets of rows, and its pull-back to each."""
    return compiled(kernel)(rows(seed1), rows(seed2), C)


@functools.cache
def compiled(kernel: Kernel):
    return jax.jit(functools.partial(block_and_pullback, kernel))


def cotangent() -> jax.Array:
    return jnp.asarray(np.random.default_rng(9).normal(size=(3, 3)))


def test_the_table_holds_every_registered_kernel():
    assert {name.partition(",")[0] for name in KERNELS} == set(Kernel.get_known_choices())  # type: ignore[attr-defined]


@EVERY_KERNEL
def test_a_kernel_is_a_value(kernel):
    again = dataclasses.replace(kernel)
    assert again == kernel
    assert hash(again) == hash(kernel)


@EVERY_KERNEL
def test_a_block_is_one_number_for_each_pair_in_the_precision_of_the_rows(kernel):
    block = jax.jit(kernel)(rows(1)[:2], rows(2))
    assert block.shape == (2, 3)
    assert block.dtype == jnp.float64
    np.testing.assert_allclose(block, pulled(kernel, 1, 2, cotangent())[0][:2], rtol=1e-13)


@EVERY_KERNEL
def test_the_arguments_can_be_exchanged(kernel):
    C = cotangent()
    block, d1, d2 = pulled(kernel, 1, 2, C)
    exchanged, e2, e1 = pulled(kernel, 2, 1, C.T)
    np.testing.assert_allclose(block, exchanged.T, rtol=1e-13)
    np.testing.assert_allclose(d1, e1, rtol=0, atol=1e-13)
    np.testing.assert_allclose(d2, e2, rtol=0, atol=1e-13)


@EVERY_KERNEL
def test_the_derivative_is_that_of_finite_differences(kernel):
    C, step = cotangent(), 1e-4
    direction = rows(5) - 0.5
    _, d1, _ = pulled(kernel, 1, 2, C)
    ahead, behind = (
        compiled(kernel)(rows(1) + sign * step * direction, rows(2), C)[0] for sign in (1, -1)
    )
    slope = jnp.sum(C * (ahead - behind)) / (2 * step)
    # The truncation is step^2 / 6 times a third derivative.
    assert float(jnp.sum(d1 * direction)) == pytest.approx(float(slope), rel=1e-5, abs=1e-7)


@EVERY_KERNEL
def test_a_gram_matrix_is_positive_semi_definite_with_the_diagonal(kernel):
    x = jnp.concatenate([rows(1), rows(2)])
    K = gram(kernel, x)
    assert float(jnp.linalg.eigvalsh(K)[0]) > -1e-12
    np.testing.assert_allclose(jnp.diag(K), kernel.diagonal(x), rtol=1e-13)
    # neural-tangents reaches coincidence through arccos, known to 1e-8 there.
    block = pulled(kernel, 1, 1, cotangent())[0]
    np.testing.assert_allclose(jnp.diag(block), kernel.diagonal(rows(1)), rtol=1e-7)


@EVERY_KERNEL
def test_at_coincidence_each_argument_has_half_the_gradient_of_the_diagonal(kernel):
    weights = cotangent()[0]
    half = jax.grad(lambda x: jnp.sum(weights * kernel.diagonal(x)) / 2)(rows(1))
    _, d1, d2 = pulled(kernel, 1, 1, jnp.diag(weights))
    np.testing.assert_allclose(d1, half, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(d2, half, rtol=1e-7, atol=1e-9)


@EVERY_KERNEL
def test_a_kernel_is_pulled_back_by_tiles(kernel):
    C = cotangent()
    found = pullback(kernel, rows(1), rows(2), C, memory_bytes=4 * kernel.bytes_per_pair(SHAPE, 8))
    np.testing.assert_allclose(found, pulled(kernel, 1, 2, C)[1], rtol=1e-12, atol=1e-13)


@EVERY_KERNEL
def test_memory_grows_with_the_precision_and_with_the_image(kernel):
    single, double = (kernel.bytes_per_pair((8, 8, 1), itemsize) for itemsize in (4, 8))
    assert double == 2 * single > 0
    assert kernel.bytes_per_pair((16, 16, 1), 4) >= single
