"""Several resolutions: the gradient of the sum, and levels that wait for their turn."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ganntk import discriminator, levels, synthesis
from ganntk.errors import InputError
from ganntk.generators import Points
from ganntk.kernels import Conv, Dense, Flatten, Network, Relu
from ganntk.lam import Annealed, Fixed, Searched
from ganntk.levels import Level, LevelsProblem
from ganntk.objectives import CrossEntropy, SquaredError
from ganntk.stacked import Problem
from tests.reference import exponentials

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

DENSE = Network((Flatten(), Dense(), Relu(), Dense()))
CONVOLUTION = Network((Conv((2, 2), (2, 2)), Relu(), Flatten(), Dense()))
OBJECTIVES = {"squared_error": SquaredError(), "cross_entropy": CrossEntropy()}
LEVELS = (
    Level(8, CONVOLUTION, Fixed(5.0), weight=0.7),
    Level(4, DENSE, Fixed(3.0), "lanczos"),
    Level(1, DENSE, Fixed(40.0), weight=2.0),
)


def images(count: int, seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(count, 8, 8, 2)))


def given(parts: tuple[Level, ...], objective: str = "squared_error", **own) -> LevelsProblem:
    kept = {"optimizer": optax.adam(0.05), "lam": Fixed(2.0), **own}
    return LevelsProblem(Problem(DENSE, OBJECTIVES[objective], points=Points(4), **kept), parts)


def start(problem: LevelsProblem, seed: int = 0):
    x = images(5, 1)
    reals = levels.prepare(problem, x, precision="float64")
    return reals, levels.init(problem, reals, x, seed=seed)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_gradient_is_that_of_full_autodiff_of_the_pooled_objective(objective):
    problem = given(LEVELS, objective)
    reals, state = start(problem)
    x, y = images(5, 1), discriminator.labels(5, 4)

    def loss(z):
        total = 0.0
        for side, k, lam, weight in [(8, CONVOLUTION, 5, 0.7), (4, DENSE, 3, 1), (1, DENSE, 40, 2)]:
            both = jnp.concatenate([x, z])
            f = 8 // side
            small = sum(both[:, i::f, j::f] for i in range(f) for j in range(f)) / f**2
            K = k(small, small)
            total += weight * exponentials.loss(K, y, lam, 0.0, objective=objective)
        return total

    wanted, slope = jax.value_and_grad(loss)(state.points)
    found, report = levels.gradient(problem, reals, state)
    assert float(report.loss) == pytest.approx(float(wanted), rel=1e-10)
    scale = float(jnp.linalg.norm(slope))
    np.testing.assert_allclose(found, slope, rtol=0, atol=1e-10 * scale)
    assert float(report.gradient_norm) == pytest.approx(scale, rel=1e-10)


def test_one_level_of_full_resolution_is_the_single_resolution():
    problem = given((Level(8),), lam=Annealed(steps=5))
    reals, state = start(problem)
    alone = synthesis.init(problem.whole, reals[0], seed=0)
    np.testing.assert_array_equal(state.points, alone.points)
    many, report = levels.advance(problem, reals, state, steps=7)
    one, same = synthesis.advance(problem.whole, reals[0], alone, steps=7)
    np.testing.assert_allclose(many.points, one.points, atol=1e-13)
    np.testing.assert_allclose(report.loss, same.loss, rtol=1e-13)
    np.testing.assert_allclose(report.level_lam[:, 0], same.lam, rtol=1e-12)


def test_a_level_chooses_its_own_lam_and_takes_the_rest_of_the_run():
    problem = given((Level(8), Level(4, lam=Searched(1e-2)), Level(2, lam=Fixed(9.0))))
    reals, state = start(problem)
    assert float(state.lam[0]) == 2.0
    assert float(state.lam[2]) == 9.0
    part = problem.parts[1]
    y = discriminator.labels(5, 4)
    found = synthesis.evaluate(part, reals[1], levels.pooled(state.points, 4), state.lam[1])
    error = np.mean(np.square(found.predictions - y))
    assert error == pytest.approx(1e-2, rel=1e-6)
    assert problem.parts[0].kernel is DENSE


def test_a_fine_level_waits_fades_in_and_then_counts_whole():
    coarse = Level(4, DENSE, Fixed(3.0))
    fine = Level(8, CONVOLUTION, Fixed(5.0), weight=2.0, first_step=2, ramp_steps=4)
    both, only = given((fine, coarse)), given((coarse,))
    reals, state = start(both)
    _, alone = start(only)
    moved, report = levels.advance(both, reals, state, steps=8)
    np.testing.assert_allclose(report.level_weight[:, 0], [0, 0, 0.5, 1, 1.5, 2, 2, 2], rtol=1e-6)
    np.testing.assert_array_equal(report.level_weight[:, 1], np.ones(8))
    np.testing.assert_array_equal(report.level_loss[:2, 0], 0)
    first, _ = levels.advance(both, reals, state, steps=2)
    same, _ = levels.advance(only, reals[1:], alone, steps=2)
    np.testing.assert_allclose(first.points, same.points, atol=1e-14)
    after, _ = levels.advance(only, reals[1:], alone, steps=8)
    assert np.abs(moved.points - after.points).max() > 1e-3
    total = np.sum(report.level_weight * report.level_loss, axis=1)
    np.testing.assert_allclose(report.loss, total, rtol=1e-12)


def test_an_objective_of_several_levels_falls_and_is_what_a_look_says():
    problem = given(LEVELS)
    reals, state = start(problem)
    moved, report = levels.advance(problem, reals, state, steps=20)
    assert float(report.loss[-1]) < 0.92 * float(report.loss[0])
    loss, d = levels.look(problem, reals, moved)
    _, last = levels.gradient(problem, reals, moved)
    assert float(loss) == pytest.approx(float(last.loss), rel=1e-12)
    assert float(jnp.mean(d)) == pytest.approx(float(last.d_points), rel=1e-12)


def test_levels_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="a level of 3 pixels and images of 8"):
        levels.pooled(images(2, 0), 3)
    with pytest.raises(InputError, match=r"levels average square images, and rows have .*\(3,\)"):
        levels.pooled(jnp.zeros((2, 3)), 1)
    with pytest.raises(InputError, match=r"no first_step is 0"):
        given((Level(8, first_step=3), Level(4, first_step=1)))
    with pytest.raises(InputError, match=r"the sides \[4, 4\]"):
        given((Level(4), Level(4)))
    for wrong in ({"side": 0}, {"side": 4, "weight": 0.0}, {"side": 4, "ramp_steps": -1}):
        with pytest.raises(InputError, match=r"levels: .* expected"):
            Level(**wrong)
