"""Gram matrices and pull-backs, by compiled code and by tiles, against the kernel in one piece."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.kernels import (
    Conv,
    Dense,
    Flatten,
    Kernel,
    Network,
    Relu,
    gram,
    gram_of_moving,
    pullback,
    pullback_of_moving,
)
from ganntk.typing import LowRank
from tests.reference.engines import InTiles

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

COMPILED_DENSE = Network((Flatten(), Dense(), Relu(), Dense()))
COMPILED_CONVOLUTION = Network((Conv((2, 2), (1, 2), "SAME"), Relu(), Flatten(), Dense()))
DENSE, CONVOLUTION = InTiles(COMPILED_DENSE), InTiles(COMPILED_CONVOLUTION)
SHAPES = {
    DENSE: (3,),
    CONVOLUTION: (3, 4, 1),
    COMPILED_DENSE: (3,),
    COMPILED_CONVOLUTION: (3, 4, 1),
}
KERNELS = pytest.mark.parametrize(
    "k", SHAPES, ids=["dense", "convolution", "compiled-dense", "compiled-convolution"]
)


def rows(k: Kernel, count: int, *, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(count, *SHAPES[k])))


def matrix(count1: int, count2: int, *, seed: int = 3) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count1, count2)))


def budget(k: Kernel, side: int) -> int:
    """The memory for tiles of that many rows."""
    return side**2 * k.bytes_per_pair(SHAPES[k], 8)


@functools.partial(jax.jit, static_argnums=0)
def in_one_piece(k, x1, x2, cotangent):
    """The block, and the pull-back to each argument."""
    block, pull = jax.vjp(k, x1, x2)
    return block, *pull(cotangent)


@KERNELS
def test_a_gram_matrix_by_tiles_is_that_in_one_piece(k):
    x1, x2 = rows(k, 7), rows(k, 5, seed=1)
    wanted = in_one_piece(k, x1, x2, matrix(7, 5))[0]
    # Three does not divide seven or five.
    np.testing.assert_allclose(gram(k, x1, x2, memory_bytes=budget(k, 3)), wanted, rtol=1e-12)


@KERNELS
def test_a_symmetric_gram_matrix_is_exactly_symmetric_with_the_analytic_diagonal(k):
    x = rows(k, 7)
    found = gram(k, x, memory_bytes=budget(k, 3))
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(jnp.diag(found), k.diagonal(x))
    np.testing.assert_allclose(found, in_one_piece(k, x, x, matrix(7, 7))[0], rtol=1e-12)


def test_one_row_is_a_gram_matrix_and_has_a_pullback():
    x = rows(DENSE, 1)
    np.testing.assert_array_equal(gram(DENSE, x), DENSE.diagonal(x)[:, None])
    found = pullback(DENSE, x, None, jnp.full((1, 1), 0.7))
    wanted = 0.7 * jax.jit(jax.grad(lambda x: DENSE.diagonal(x)[0]))(x)
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_rows_that_fit_are_one_tile_and_a_budget_below_one_pair_is_one_pair():
    x = rows(DENSE, 4)
    wanted = gram(DENSE, x)
    for memory_bytes in (1, budget(DENSE, 4), budget(DENSE, 100)):
        np.testing.assert_allclose(gram(DENSE, x, memory_bytes=memory_bytes), wanted, rtol=1e-12)


@KERNELS
def test_a_pullback_by_tiles_is_that_in_one_piece(k):
    x1, x2, C = rows(k, 7), rows(k, 5, seed=1), matrix(7, 5)
    found = pullback(k, x1, x2, C, memory_bytes=budget(k, 3))
    np.testing.assert_allclose(found, in_one_piece(k, x1, x2, C)[1], rtol=1e-12, atol=1e-13)


@KERNELS
def test_a_symmetric_pullback_by_tiles_is_the_total_derivative(k):
    x, C = rows(k, 7), matrix(7, 7)
    C = C + C.T
    found = pullback(k, x, None, C, memory_bytes=budget(k, 3))
    _, d1, d2 = in_one_piece(k, x, x, C)
    np.testing.assert_allclose(found, d1 + d2, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("moving", "still"), [(7, 4), (2, 7), (1, 1)])
def test_one_pass_over_moving_rows_gives_what_two_passes_give(moving, still):
    z, x = rows(DENSE, moving), rows(DENSE, still, seed=1)
    among, across = matrix(moving, moving), matrix(moving, still, seed=4)
    among = among + among.T
    tiles = {"memory_bytes": budget(DENSE, 3)}
    found = gram_of_moving(DENSE, z, x, **tiles)
    np.testing.assert_allclose(found[:, :moving], gram(DENSE, z), rtol=1e-12)
    np.testing.assert_allclose(found[:, moving:], gram(DENSE, z, x), rtol=1e-12)
    np.testing.assert_array_equal(found[:, :moving], found[:, :moving].T)
    cotangent = jnp.hstack([among, across])
    pulled = pullback_of_moving(DENSE, z, x, cotangent, **tiles)
    wanted = pullback(DENSE, z, None, among) + pullback(DENSE, z, x, across)
    np.testing.assert_allclose(pulled, wanted, rtol=1e-12, atol=1e-13)


def test_a_low_rank_cotangent_is_the_matrix_it_stands_for():
    x1, x2 = rows(DENSE, 7), rows(DENSE, 5, seed=1)
    left, right = matrix(7, 2), matrix(5, 2, seed=4)
    tiles = {"memory_bytes": budget(DENSE, 3)}
    np.testing.assert_allclose(
        pullback(DENSE, x1, x2, LowRank(left, right), **tiles),
        pullback(DENSE, x1, x2, left @ right.T, **tiles),
        rtol=1e-12,
        atol=1e-13,
    )
    symmetric = LowRank(jnp.hstack([left, -left[:, ::-1]]), jnp.hstack([left, -left[:, ::-1]]))
    np.testing.assert_allclose(
        pullback(DENSE, x1, None, symmetric, **tiles),
        pullback(DENSE, x1, None, symmetric.left @ symmetric.right.T, **tiles),
        rtol=1e-12,
        atol=1e-13,
    )


def test_a_low_rank_cotangent_of_moving_rows_is_the_matrix_it_stands_for():
    z, x, side = rows(DENSE, 7), rows(DENSE, 4, seed=1), matrix(7, 2)
    low = LowRank(side, jnp.concatenate([side, matrix(4, 2, seed=4)]))
    tiles = {"memory_bytes": budget(DENSE, 3)}
    np.testing.assert_allclose(
        pullback_of_moving(DENSE, z, x, low, **tiles),
        pullback_of_moving(DENSE, z, x, low.left @ low.right.T, **tiles),
        rtol=1e-12,
        atol=1e-13,
    )


@KERNELS
def test_at_coincidence_each_argument_has_half_the_gradient_of_the_diagonal(k):
    x, weights = rows(k, 4), matrix(4, 1)[:, 0]
    half = jax.jit(jax.grad(lambda x: jnp.sum(weights * k.diagonal(x)) / 2))(x)
    C = jnp.diag(weights)
    np.testing.assert_allclose(pullback(k, x, x, C), half, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(pullback(k, x, None, C), 2 * half, rtol=1e-12, atol=1e-14)


def test_both_work_inside_a_compiled_function():
    x, C = rows(DENSE, 5), matrix(5, 5)
    C = C + C.T
    tiles = {"memory_bytes": budget(DENSE, 2)}

    @jax.jit
    def both(x, C):
        return gram(DENSE, x, **tiles), pullback(DENSE, x, None, C, **tiles)

    found_gram, found_pullback = both(x, C)
    np.testing.assert_allclose(found_gram, gram(DENSE, x, **tiles), rtol=1e-13)
    np.testing.assert_allclose(found_pullback, pullback(DENSE, x, None, C, **tiles), rtol=1e-12)


def test_float32_rows_give_float32_throughout():
    x = rows(DENSE, 3).astype(jnp.float32)
    assert gram(DENSE, x).dtype == jnp.float32
    assert pullback(DENSE, x, None, jnp.ones((3, 3), jnp.float32)).dtype == jnp.float32


@pytest.mark.parametrize(
    ("x1", "x2", "sentence"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), "expected both sets to have one shape and one type"),
        (np.ones((2, 3)), np.ones((2, 3), np.float32), "type float64 and float32"),
        (np.ones((0, 3)), np.ones((2, 3)), "no rows were given"),
    ],
)
def test_rows_that_do_not_fit_one_another_are_refused(x1, x2, sentence):
    x1, x2 = jnp.asarray(x1), jnp.asarray(x2)
    with pytest.raises(InputError, match=sentence):
        gram(DENSE, x1, x2)
    with pytest.raises(InputError, match=sentence):
        pullback(DENSE, x1, x2, jnp.ones((len(x1), len(x2))))


@KERNELS
def test_a_gram_matrix_is_differentiated_through_the_pullback(k):
    x1, x2, C = rows(k, 7), rows(k, 5, seed=1), matrix(7, 5)
    _, pull = jax.vjp(lambda a, b: gram(k, a, b, memory_bytes=budget(k, 3)), x1, x2)
    _, *wanted = in_one_piece(k, x1, x2, C)
    for found, expected in zip(pull(C), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


@KERNELS
def test_a_symmetric_gram_matrix_is_differentiated_for_any_cotangent(k):
    x, C = rows(k, 5), matrix(5, 5)
    _, pull = jax.vjp(lambda a: gram(k, a, memory_bytes=budget(k, 3)), x)
    _, d1, d2 = in_one_piece(k, x, x, C)
    np.testing.assert_allclose(pull(C)[0], d1 + d2, rtol=1e-12, atol=1e-13)


def test_tiles_of_an_edge_share_the_program_of_the_others():
    traced = []

    class Counting(InTiles):
        """Notes each time that it is traced."""

        def __call__(self, x1, x2):
            traced.append(x1.shape)
            return super().__call__(x1, x2)

    k = Counting(COMPILED_DENSE)
    x1, x2 = rows(DENSE, 7), rows(DENSE, 5, seed=1)
    gram(k, x1, x2, memory_bytes=budget(DENSE, 3))
    assert len(set(traced)) == 1
