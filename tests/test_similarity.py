"""The penalty on rows that resemble real ones."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ganntk import shards, similarity, synthesis
from ganntk.generators import Points
from ganntk.kernels import Dense, Flatten, Network, Relu, gram
from ganntk.lam import Fixed
from ganntk.objectives import SquaredError
from ganntk.stacked import Problem, Real, moving_rows

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

KERNEL = Network((Flatten(), Dense(), Relu(), Dense()))


def rows(count: int, seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(count, 3, 2, 1)))


def test_the_best_cosine_is_that_of_scikit_learn():
    from sklearn.metrics.pairwise import cosine_similarity

    z, x = rows(4, 0), rows(7, 1)
    wanted = cosine_similarity(z.reshape(4, -1), x.reshape(7, -1)).max(axis=1)
    np.testing.assert_allclose(similarity.best_cosines(z, x), wanted, atol=1e-14)


def test_its_slope_is_that_of_finite_differences_and_zero_rows_have_none():
    z, x, step = rows(4, 0), rows(7, 1), 1e-6
    direction = rows(4, 2) - 0.5
    ahead, behind = (jnp.sum(similarity.best_cosines(z + s * direction, x)) for s in (step, -step))
    found = similarity.slope(z, x, 0.7)
    wanted = 0.7 * (ahead - behind) / (2 * step)
    assert float(jnp.sum(found * direction)) == pytest.approx(float(wanted), rel=1e-7)
    assert np.isfinite(similarity.slope(z.at[1].set(0), x, 1.0)).all()


def test_a_step_and_a_shard_of_it_add_the_same_slope():
    x, z = rows(5, 1), rows(4, 0)
    plain = Problem(KERNEL, SquaredError(), optax.sgd(0.1), Points(), lam=Fixed(2.0))
    given = Problem(KERNEL, SquaredError(), optax.sgd(0.1), Points(), similarity=0.3)
    real = Real(x, gram(KERNEL, x))
    found = synthesis.evaluate(plain, real, z, 2.0)
    base, slope = (synthesis.gradient(p, real, z, found.cotangent) for p in (plain, given))
    np.testing.assert_allclose(slope - base, similarity.slope(z, x, 0.3), atol=1e-13)
    shard = shards.Shard(z, given.optimizer.init(z))
    moved, square = shards.move(given, shard, z, x, moving_rows(found.cotangent, 5))
    assert float(square) == pytest.approx(float(jnp.sum(slope**2)), rel=1e-10)
    np.testing.assert_allclose(moved.points, jnp.clip(z - 0.1 * slope, 0, 1), atol=1e-12)


def test_it_keeps_rows_away_from_real_ones():
    x = rows(5, 1)
    ends = []
    for weight in (0.0, 3.0):
        given = Problem(
            KERNEL, SquaredError(), optax.adam(0.02), Points(5), lam=Fixed(20.0), similarity=weight
        )
        real = Real(x, gram(KERNEL, x))
        state, _ = synthesis.advance(given, real, synthesis.init(given, real, seed=0), steps=60)
        ends.append(float(jnp.mean(similarity.best_cosines(state.points, x))))
    assert ends[1] < ends[0] - 0.01
