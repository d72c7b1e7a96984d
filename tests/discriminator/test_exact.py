"""Predictions and dL/dK, against a dense matrix exponential and its own derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from ganntk import discriminator
from ganntk.discriminator import divided_differences, predict, spectrum
from ganntk.errors import InputError
from ganntk.objectives import Objective
from tests.reference import exponentials
from tests.reference.grams import gram_of, some_rows, twice

loss_and_cotangent = jax.jit(
    discriminator.loss_and_cotangent, static_argnames=("objective", "solver")
)

LAMS = (0.3, 3.0, 30.0, 300.0, 3000.0)
EPSILON = np.finfo(np.float64).eps
OBJECTIVES = ("squared_error", "cross_entropy")


# name: Gram matrix of ten rows, how many of them are real, relative regulariser
CASES = {
    "generic": (lambda: gram_of(some_rows(10)), 5, 0.0),
    "more real rows than points": (lambda: gram_of(some_rows(10)), 7, 0.0),
    "more points than real rows": (lambda: gram_of(some_rows(10)), 2, 0.0),
    "equal eigenvalues": (lambda: 0.7 * jnp.eye(10), 5, 0.0),
    "points on the real rows": (lambda: gram_of(twice(some_rows(5))), 5, 0.0),
    "regularised": (lambda: gram_of(some_rows(10)), 5, 1e-2),
    "regularised on the real rows": (lambda: gram_of(twice(some_rows(5))), 5, 1e-5),
}


@pytest.fixture(autouse=True)
def _precision(request, quick_compile):
    if "float32" not in request.node.name:
        request.getfixturevalue("float64")


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("case", CASES)
def test_the_cotangent_is_the_derivative_through_expm(case, objective):
    make, real, diagonal = CASES[case]
    K, y = make(), discriminator.labels(real, 10 - real)
    for lam in LAMS:
        found = loss_and_cotangent(K, y, lam, objective=objective, diagonal=diagonal)
        loss, G = exponentials.loss_and_cotangent(K, y, lam, diagonal, objective=objective)
        tolerance = 1e-10
        if case == "points on the real rows":
            # On the null space nothing decays: rounding in K moves G by lam^2 times as much.
            tolerance += lam**2 * EPSILON
        np.testing.assert_allclose(found.cotangent, G, rtol=1e-10, atol=tolerance)
        np.testing.assert_allclose(found.loss, loss, rtol=1e-11)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("rows", [some_rows(10), twice(some_rows(5)), some_rows(2)])
def test_the_cotangent_is_the_frechet_derivative_of_scipy(rows, objective):
    K = np.asarray(gram_of(rows))
    y = discriminator.labels(len(K) // 2, len(K) // 2)
    direction = np.random.default_rng(1).normal(size=K.shape)
    rule: Objective = Objective.find(objective)()
    targets = np.asarray(rule.targets(y))
    for lam in (0.3, 3.0, 30.0):
        found = loss_and_cotangent(jnp.asarray(K), y, lam, objective=rule)
        # dL = <P, dF>, dF = -dE Y, for the symmetric part that a Gram matrix can move in.
        symmetric = (direction + direction.T) / 2
        E, dE = scipy.linalg.expm_frechet(-lam * K, -lam * symmetric)
        slope = rule.loss_and_slope(jnp.asarray(targets - E @ targets)).slope
        wanted = -np.sum(np.asarray(slope) * (dE @ targets))
        assert float(jnp.sum(found.cotangent * direction)) == pytest.approx(wanted, rel=1e-11)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_cotangent_is_symmetric(objective):
    K = gram_of(some_rows(10))
    G = loss_and_cotangent(K, discriminator.labels(6, 4), 3.0, objective=objective).cotangent
    np.testing.assert_allclose(G, G.T, rtol=0, atol=1e-15 * float(jnp.max(jnp.abs(G))))


def test_predictions_are_those_of_expm():
    K = gram_of(some_rows(10))
    y = discriminator.labels(6, 4)
    columns = jnp.stack([y, 1 - y], axis=1)
    for lam in LAMS:
        for targets in (y, columns):
            wanted = targets - scipy.linalg.expm(-lam * np.asarray(K)) @ np.asarray(targets)
            np.testing.assert_allclose(predict(K, targets, lam), wanted, rtol=0, atol=1e-11)


def test_an_untrained_discriminator_knows_nothing():
    K, y = gram_of(some_rows(10)), discriminator.labels(6, 4)
    found = loss_and_cotangent(K, y, 0.0)
    assert not np.any(found.predictions)
    assert not np.any(found.cotangent)
    assert float(found.loss) == 5.0  # |1 - 0|^2 / 2 over ten rows


@pytest.mark.parametrize("lam", [1e9, 1e300, float("inf")])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_discriminator_trained_for_ever_repeats_its_labels(lam, objective):
    K, y = jnp.eye(10) + 0.1, discriminator.labels(6, 4)
    np.testing.assert_allclose(predict(K, y, lam), y, atol=1e-15)
    if lam < float("inf"):
        G = loss_and_cotangent(K, y, lam, objective=objective).cotangent
        # lam exp(-lam kappa): the gradient vanishes far beyond 1 / kappa_min.
        np.testing.assert_array_equal(G, 0)


@pytest.mark.parametrize("lam", [1e9, 1e12])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_huge_lam_stays_finite_where_points_lie_on_real_rows(lam, objective):
    K, y = gram_of(twice(some_rows(5))), discriminator.labels(5, 5)
    found = loss_and_cotangent(K, y, lam, objective=objective)
    assert np.all(np.isfinite(found.cotangent))
    assert np.all(np.isfinite(found.predictions))


def test_separation_error_is_the_mean_square_of_what_is_missing():
    K, y = gram_of(some_rows(10)), discriminator.labels(6, 4)
    eigen = spectrum(K)
    for lam in (0.0, 0.3, 30.0, 3000.0):
        wanted = float(jnp.mean((predict(K, y, lam) - y) ** 2))
        assert float(discriminator.separation_error(eigen, y, lam)) == pytest.approx(wanted)


def test_eigenvalues_are_never_negative_and_the_regulariser_lifts_them():
    K = gram_of(twice(some_rows(5)))  # rank 5: rounding makes some of the others negative
    assert float(jnp.linalg.eigvalsh(K)[0]) < 0
    assert float(spectrum(K).eigenvalues[0]) == 0
    lifted = spectrum(K, diagonal=1e-3).eigenvalues
    np.testing.assert_allclose(lifted, spectrum(K).eigenvalues + 1e-3, atol=1e-15)


def test_divided_differences_are_exact_however_close_the_eigenvalues():
    gaps = np.array([0.0, 1e-300, 1e-17, 1e-13, 1e-8, 1e-3, 1.0, 40.0])
    kappa = 0.3 + gaps
    lam = 2.5
    exact = np.longdouble(kappa[:, None]) - np.longdouble(kappa[None, :])
    u = lam * np.abs(exact)
    psi = np.where(u > 0, -np.expm1(-u) / np.where(u > 0, u, 1), 1)
    wanted = -lam * np.exp(-lam * np.minimum(kappa[:, None], kappa[None, :])) * psi
    found = divided_differences(jnp.asarray(kappa), lam)
    np.testing.assert_allclose(found, wanted.astype(float), rtol=1e-14)
    distant = divided_differences(jnp.asarray([0.0, 1e300]), 1e10)
    assert np.all(np.isfinite(distant))


def test_float32_agrees_with_float64_where_points_lie_on_real_rows():
    K = np.asarray(gram_of(twice(some_rows(5))))
    y = np.repeat([1.0, 0.0], 5)
    for objective in OBJECTIVES:
        single = loss_and_cotangent(
            jnp.asarray(K, jnp.float32), jnp.asarray(y, jnp.float32), 5.12, objective=objective
        )
        assert single.cotangent.dtype == jnp.float32
        with jax.enable_x64(True):
            double = loss_and_cotangent(jnp.asarray(K), jnp.asarray(y), 5.12, objective=objective)
        scale = float(np.max(np.abs(double.cotangent)))
        # Eigenvalues are known to 6e-8 |K| = 6e-7, and lam multiplies what that does to G.
        np.testing.assert_allclose(single.cotangent, double.cotangent, atol=1e-5 * scale)


def test_an_objective_that_does_not_exist_is_refused_with_the_nearest_names():
    K, y = jnp.eye(2), discriminator.labels(1, 1)
    with pytest.raises(InputError, match="did you mean squared_error"):
        loss_and_cotangent(K, y, 1.0, objective="square_error")
