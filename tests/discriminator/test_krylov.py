"""The recurrence: an orthonormal basis whatever K is, and what K does to it."""

import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.discriminator import krylov, labels
from ganntk.discriminator.krylov import Krylov
from tests.reference.grams import gram_of, some_rows, twice

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

GRAMS = {
    "decaying": lambda: gram_of(some_rows(40)),
    "points on the real rows": lambda: gram_of(twice(some_rows(20))),
    "equal eigenvalues": lambda: 0.7 * jnp.eye(40),
    "three eigenvalues": lambda: jnp.diag(jnp.tile(jnp.array([0.0, 1.0, 7.0]), 14)[:40]),
    "rank one": lambda: jnp.ones((40, 40)),
    "nothing": lambda: jnp.zeros((40, 40)),
}


def grown(K: jnp.ndarray, columns: jnp.ndarray, blocks: int) -> Krylov:
    space = krylov.start(columns, most_blocks=blocks)
    for _ in range(blocks):
        space = krylov.extend(space, K @ space.pending)
    return space


def halves(rows: int) -> jnp.ndarray:
    y = labels(rows // 2, rows - rows // 2)
    return jnp.stack([y, 1 - y], axis=1)


@pytest.mark.parametrize("name", GRAMS)
def test_the_basis_is_orthonormal_to_rounding_or_zero(name):
    space = grown(GRAMS[name](), halves(40), blocks=25)  # 52 vectors, where 40 are the whole space
    wanted = np.diag(np.asarray(space.is_live, float))
    np.testing.assert_allclose(space.basis @ space.basis.T, wanted, rtol=0, atol=1e-14)
    assert int(jnp.sum(space.is_live)) <= 40


@pytest.mark.parametrize("name", GRAMS)
def test_what_was_multiplied_is_projected(name):
    K = GRAMS[name]()
    space = grown(K, halves(40), blocks=8)
    known = (space.blocks + 1) * 2 - 2
    wanted = (space.basis @ K @ space.basis.T)[:known, :known]
    np.testing.assert_allclose(space.projected[:known, :known], wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("name", "vectors"), [("equal eigenvalues", 2), ("three eigenvalues", 6), ("rank one", 2)]
)
def test_a_space_that_is_mapped_into_itself_is_exhausted(name, vectors):
    space = grown(GRAMS[name](), halves(40), blocks=4)
    assert bool(krylov.is_exhausted(space))
    assert int(jnp.sum(space.is_live)) == vectors


def test_the_columns_it_starts_from_are_in_it():
    columns = jnp.asarray(np.random.default_rng(0).normal(size=(40, 3)))
    columns = columns.at[:, 2].set(2 * columns[:, 0])  # one direction less
    space = krylov.start(columns, most_blocks=2)
    np.testing.assert_allclose(space.basis.T @ space.coordinates, columns, atol=1e-14)
    np.testing.assert_array_equal(space.is_live[:3], [True, True, False])


@pytest.mark.parametrize("filled", [1, 32, 33, 64, 65, 250])
def test_the_size_that_is_chosen_holds_what_is_filled(filled):
    size = krylov.at_size(jnp.asarray(filled), 258, lambda size: jnp.asarray(size))
    assert filled <= int(size) <= max(32, 2 * filled)
