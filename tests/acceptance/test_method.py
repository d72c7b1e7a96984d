"""The facts that the method rests on, each against an independent oracle, in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.scipy.linalg import expm

from ganntk import discriminator, synthesis
from ganntk.data.mixture import Mixture, mixture_modes
from ganntk.generators import Points
from ganntk.kernels import gram, named
from ganntk.lam import Fixed, reference_rate, solve
from ganntk.metrics import mode_statistics
from ganntk.objectives import CrossEntropy, SquaredError
from ganntk.synthesis import Problem


@pytest.fixture(autouse=True)
def float64():
    with synthesis.numerics():
        yield


def random_gram(rows, *, rank=40, seed=0):
    a = np.random.default_rng(seed).normal(size=(rows, rank))
    return jnp.asarray(a @ a.T / rank)


@pytest.mark.parametrize(
    ("n", "rate", "lam"),
    [(16, 1, 10.24), (64, 2, 5.12), (256, 2, 1.28), (256, 4, 2.56), (1024, 1, 0.16)],
)
def test_the_authors_rate_is_translated_into_lam(n, rate, lam):
    assert reference_rate(rate, n, n) == pytest.approx(lam, rel=1e-12)


def test_cross_entropy_is_the_softmax_cross_entropy_of_a_discriminator_on_one_hot_labels():
    K, y, lam = random_gram(14), discriminator.labels(8, 6), 0.7
    found = discriminator.loss_and_cotangent(K, y, lam, objective=CrossEntropy())

    def released(K):
        one_hot = jnp.stack([1 - y, y], axis=1)
        F = one_hot - expm(-lam * K) @ one_hot
        return jnp.mean(jax.nn.logsumexp(F, axis=1) - F[:, 1])

    assert float(found.loss) == pytest.approx(float(released(K)), abs=1e-14)
    G = jax.grad(released)(K)
    np.testing.assert_allclose(found.cotangent, (G + G.T) / 2, atol=1e-14)


def test_the_gradient_of_the_points_is_the_derivative_of_the_whole_matrix():
    rng = np.random.default_rng(2)
    # Counts that differ, and a budget of a few pairs: tiles that do not divide.
    X, Z = (jnp.asarray(rng.uniform(size=(count, 6, 5, 2))) for count in (5, 7))
    kernel, lam = named("cnn-small"), 3.0
    budget = kernel.bytes_per_pair((6, 5, 2), 8) * 9
    problem = Problem(kernel, SquaredError(), optax.sgd(1.0), Points(), memory_bytes=budget)
    real = synthesis.prepare(problem, X, precision="float64")
    found = synthesis.evaluate(problem, real, Z, jnp.asarray(lam))
    slope = synthesis.gradient(problem, real, Z, found.cotangent)

    def loss(Z):
        rows = jnp.concatenate([X, Z])
        y = discriminator.labels(5, 7)
        # No pair coincides off the diagonal, and there the two halves make the whole derivative.
        return jnp.sum(jnp.square(y - expm(-lam * kernel(rows, rows)) @ y - 1)) / 2

    value, expected = jax.jit(jax.value_and_grad(loss))(Z)
    np.testing.assert_allclose(found.loss, value, rtol=1e-12)
    np.testing.assert_allclose(slope, expected, atol=1e-10 * float(jnp.abs(expected).max()))


def test_shrunken_copies_have_a_smaller_loss_than_copies():
    # A positively homogeneous kernel, Z = c X, c = tan t: L/n = (1 - sin 2t + sin^2 t)/2 for large
    # lam. K is singular then; lam stays below 1e8, where the rounding of its null space counts.
    X = jnp.asarray(np.random.default_rng(3).normal(size=(12, 40)))
    kernel, y = named("fnn", bias_variance=0.0), discriminator.labels(12, 12)
    for c, expected in ((1.0, 0.25), ((5**0.5 - 1) / 2, 0.1910), (0.5, 0.2)):
        K = gram(kernel, jnp.concatenate([X, c * X]))
        found = discriminator.loss_and_cotangent(K, y, 1e3)
        assert float(found.loss) / 12 == pytest.approx(expected, abs=5e-5)


def test_separated_and_coinciding_rows_have_the_landmark_losses():
    y = discriminator.labels(8, 8)
    apart, together = jnp.eye(16), jnp.tile(jnp.eye(8), (2, 2))
    for objective, at_ends in ((SquaredError(), (4.0, 2.0)), (CrossEntropy(), (0.8133, np.log(2)))):
        for K, expected in zip((apart, together), at_ends, strict=True):
            found = discriminator.loss_and_cotangent(K, y, 1e6, objective=objective)
            assert float(found.loss) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("error", [0.4, 0.1, 1e-3, 1e-6])
def test_the_searched_lam_meets_the_error_and_the_error_falls(error):
    K, y = random_gram(20) * 30, discriminator.labels(10, 10)
    eigen = discriminator.spectrum(K)
    curve = [float(discriminator.separation_error(eigen, y, lam)) for lam in np.geomspace(1e-4, 10)]
    assert all(later < earlier for earlier, later in itertools.pairwise(curve))
    lam = solve(eigen, y, error)
    assert float(discriminator.separation_error(eigen, y, lam)) == pytest.approx(error, rel=1e-9)
    D = discriminator.predict(K, y, lam)
    assert float(jnp.mean(jnp.square(D - y))) == pytest.approx(error, rel=1e-6)


def toy(objective, learning_rate, *, data_seed=0, seed=0):
    X = Mixture(modes=25, size=100, seed=data_seed).load().rows
    problem = Problem(named("fnn"), objective, optax.sgd(learning_rate), Points())
    real = synthesis.prepare(problem, jnp.asarray(X))
    state = synthesis.init(problem, real, Fixed(30.0), seed=seed)
    for _ in range(10):
        state, _ = synthesis.advance(problem, real, state, steps=100, longest=100)
    return X, np.asarray(state.points)


def test_25_modes_are_recovered_and_the_points_lie_in_them():
    X, Z = toy(SquaredError(), 1 / 200)
    modes = mixture_modes(25)
    data, found = (mode_statistics(rows, modes.centres, modes.std) for rows in (X, Z))
    assert np.all((found.counts > 0) >= (data.counts > 0))
    assert found.within >= 0.95


def small_run(blocks, *, seed=0, count=6):
    X = np.random.default_rng(4).uniform(size=(5, 6, 6, 1)).astype(np.float32)
    problem = Problem(named("fnn"), SquaredError(), optax.adam(0.02), Points(count=count))
    real = synthesis.prepare(problem, jnp.asarray(X))
    state = synthesis.init(problem, real, Fixed(2.0), seed=seed)
    for steps in blocks:
        state, _ = synthesis.advance(problem, real, state, steps=steps, longest=20)
    return np.asarray(state.points)


def test_a_seed_fixes_a_run_and_the_length_of_blocks_does_not_matter():
    whole = small_run([20])
    np.testing.assert_array_equal(whole, small_run([20]))
    np.testing.assert_array_equal(whole, small_run([7, 13]))
    assert np.abs(whole - small_run([20], seed=1)).max() > 0.01


def test_the_start_of_a_point_depends_on_its_index_alone():
    key = jax.random.key(3)
    for start in ("uniform", "normal"):
        few, many = (Points(start=start).init(key, n, (4, 4, 1), jnp.float32) for n in (3, 9))
        np.testing.assert_array_equal(few, many[:3])
        assert 0 <= float(many.min()) <= float(many.max()) <= 1


def test_everything_is_finite_in_float32_where_points_sit_on_real_rows():
    X = jnp.asarray(np.random.default_rng(5).uniform(size=(6, 8, 8, 1)), jnp.float32)
    problem = Problem(named("cnn-mnist"), SquaredError(), optax.sgd(0.1), Points())
    real = synthesis.prepare(problem, X)
    found = synthesis.evaluate(problem, real, X, jnp.asarray(5.0))
    slope = synthesis.gradient(problem, real, X, found.cotangent)
    assert bool(jnp.all(jnp.isfinite(slope)))
    assert float(found.loss) / 6 == pytest.approx(0.25, abs=5e-3)
