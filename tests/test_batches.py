"""Batch-wise steps: what is drawn, and the gradient of what is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ganntk import batches, synthesis
from ganntk.batches import BatchProblem
from ganntk.errors import InputError
from ganntk.generators import Points
from ganntk.kernels import Dense, Flatten, Network, Relu, gram
from ganntk.lam import Fixed
from ganntk.objectives import SquaredError
from ganntk.stacked import Problem, Real

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

KERNEL = Network((Flatten(), Dense(), Relu(), Dense()))


def problem(points: int, half: int) -> BatchProblem:
    whole = Problem(KERNEL, SquaredError(), optax.sgd(1.0), Points(points), lam=Fixed(2.0))
    return BatchProblem(whole, half)


def rows(count: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).uniform(size=(count, 3)))


def test_one_batch_of_all_rows_is_the_exact_step():
    x, batched = rows(6), problem(6, 6)
    key = batches.batch_key(0)
    state = batches.init(batched, x, seed=0)
    moved, report = batches.step(batched, x, key, state)
    exact = Real(x, gram(KERNEL, x))
    start = synthesis.init(batched.problem, exact, seed=0)
    np.testing.assert_array_equal(state.points, start.points)
    wanted, expected = synthesis.step(batched.problem, exact, start)
    np.testing.assert_allclose(moved.points, wanted.points, atol=1e-13)
    for field in ("loss", "d_points", "gradient_norm", "eigenvalue_max"):
        assert getattr(report, field) == pytest.approx(float(getattr(expected, field)), rel=1e-12)


@pytest.mark.parametrize(("points", "half"), [(8, 4), (7, 3), (3, 2), (5, 5)])
def test_a_step_moves_every_row_once_by_the_gradient_in_its_batch(points, half):
    x, batched = rows(9), problem(points, half)
    key = batches.batch_key(5)
    state = batches.init(batched, x, seed=5)
    moved, _ = batches.step(batched, x, key, state)
    # The same by hand, from the same draws.
    order, real_key = batches._order(jax.random.fold_in(key, state.step), points, half)
    assert sorted(np.ravel(order)[:points]) == list(range(points))
    wanted = np.array(state.points)
    for i, own in enumerate(np.asarray(order)):
        drawn = batches.drawn(jax.random.fold_in(real_key, i), len(x), half)
        assert len(set(np.asarray(drawn).tolist())) == half
        given = x[drawn]
        real, z = Real(given, gram(KERNEL, given)), state.points[own]
        found = synthesis.evaluate(batched.of_a_batch, real, z, state.lam)
        slope = synthesis.gradient(batched.of_a_batch, real, z, found.cotangent)
        for place, row in enumerate(own):
            if i * half + place < points:
                wanted[row] = np.clip(state.points[row] - slope[place], 0, 1)
    np.testing.assert_allclose(moved.points, wanted, atol=1e-13)


def test_steps_and_members_draw_other_batches():
    first = batches._order(jax.random.fold_in(batches.batch_key(0), 0), 50, 10)[0]
    for key, step in ((batches.batch_key(0), 1), (batches.batch_key(0, 1), 0)):
        other = batches._order(jax.random.fold_in(key, step), 50, 10)[0]
        assert np.mean(np.asarray(first) == other) < 0.2
    keys = [batches._order(batches.batch_key(0), 50, 10)[1], batches.batch_key(1)]
    draws = [np.sort(batches.drawn(key, 50, 10)) for key in keys]
    assert not np.array_equal(*draws)


def test_a_block_is_its_steps_and_a_look_moves_nothing():
    x, batched = rows(9), problem(6, 3)
    key = batches.batch_key(0)
    state = batches.init(batched, x, seed=0)
    after, reports = batches.advance(batched, x, key, state, steps=3, longest=5)
    one = state
    for i in range(3):
        one, report = batches.step(batched, x, key, one)
        assert reports.loss[i] == pytest.approx(float(report.loss), rel=1e-12)
    np.testing.assert_allclose(after.points, one.points, atol=1e-13)
    loss, d = batches.look(batched, x, key, after)
    _, following = batches.step(batched, x, key, after)
    assert float(loss) == pytest.approx(float(following.loss), rel=1e-12)
    assert float(jnp.mean(d)) == pytest.approx(float(following.d_points), rel=1e-12)


@pytest.mark.parametrize(("real", "points"), [(2, 9), (9, 2)])
def test_a_batch_larger_than_what_it_is_drawn_from_is_refused(real, points):
    with pytest.raises(InputError, match=r"3 real and 3 generated ones, .* at most 4"):
        batches.init(problem(points, 3), rows(real), seed=0)
