"""Lanczos against eigh, expm and scipy: the same answer from a few products."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from ganntk import discriminator
from ganntk.discriminator import Operator, by_lanczos, loss_and_cotangent, on_host
from ganntk.discriminator.lanczos import tolerance
from ganntk.lam import reference_rate, solve
from ganntk.objectives import CrossEntropy, Objective, SquaredError
from ganntk.typing import LowRank
from tests.reference import exponentials
from tests.reference.grams import digits, gram_of, some_rows, twice

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

OBJECTIVES = {"squared_error": SquaredError(), "cross_entropy": CrossEntropy()}
EVERY_OBJECTIVE = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)

solved = jax.jit(loss_and_cotangent, static_argnames=("objective", "solver"))

# name: Gram matrix, how many rows are real, relative regulariser
CASES = {
    "decaying": (lambda: gram_of(some_rows(40)), 20, 0.0),
    "more real rows than points": (lambda: gram_of(some_rows(40)), 31, 0.0),
    "one point": (lambda: gram_of(some_rows(10)), 9, 0.0),
    "no points": (lambda: gram_of(some_rows(10)), 10, 0.0),
    "one row": (lambda: jnp.full((1, 1), 0.7), 1, 0.0),
    "equal eigenvalues": (lambda: 0.7 * jnp.eye(40), 20, 0.0),
    "points on the real rows": (lambda: gram_of(twice(some_rows(20))), 20, 0.0),
    "rank one": (lambda: jnp.ones((40, 40)), 20, 0.0),
    "nothing": (lambda: jnp.zeros((40, 40)), 20, 0.0),
    "regularised": (lambda: gram_of(some_rows(40)), 20, 1e-2),
    "regularised on the real rows": (lambda: gram_of(twice(some_rows(20))), 20, 1e-5),
}


def dense(G: LowRank) -> np.ndarray:
    return np.asarray(G.left @ G.right.T + G.identity * jnp.eye(len(G.left)))


def reference_lam(n: int) -> float:
    return reference_rate(2, n, n)


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@EVERY_OBJECTIVE
@pytest.mark.parametrize("case", CASES)
def test_every_case_is_that_of_eigh(case, objective):
    make, real, diagonal = CASES[case]
    K = make()
    y = discriminator.labels(real, len(K) - real)
    for lam in (0.0, 0.3, 3.0, 30.0, 300.0, 1e12):
        settings = {"objective": objective, "diagonal": diagonal}
        exact = solved(K, y, lam, **settings)
        found = solved(K, y, lam, solver="lanczos", **settings)
        # A null eigenvalue is known to 1e-15, and lam^2 times as much is what that does to G.
        has_null = not jnp.linalg.eigvalsh(K)[0] > 1e-3
        known = lam < 1e12 or not has_null
        assert np.all(np.isfinite(dense(found.cotangent)))
        np.testing.assert_allclose(found.loss, exact.loss, rtol=1e-10 if known else 0.1, atol=1e-12)
        if known:
            scale = max(1.0, float(jnp.max(jnp.abs(exact.cotangent))))
            # It stops at 1e-10 of the length of the labels.
            atol = 1e-10 * len(K) ** 0.5
            np.testing.assert_allclose(found.predictions, exact.predictions, rtol=0, atol=atol)
            np.testing.assert_allclose(
                dense(found.cotangent),
                exact.cotangent,
                rtol=0,
                atol=1e-9 * scale + (lam**2 * np.finfo(float).eps if has_null else 0),
            )


@EVERY_OBJECTIVE
def test_the_cotangent_is_the_derivative_through_expm(objective):
    K, y = gram_of(some_rows(12)), discriminator.labels(7, 5)
    name = type(objective).__name__
    name = {"SquaredError": "squared_error", "CrossEntropy": "cross_entropy"}[name]
    for lam in (0.3, 30.0):
        found = solved(K, y, lam, objective=objective, solver="lanczos", diagonal=1e-2)
        loss, G = exponentials.loss_and_cotangent(K, y, lam, 1e-2, objective=name)
        np.testing.assert_allclose(dense(found.cotangent), G, rtol=0, atol=1e-10)
        np.testing.assert_allclose(found.loss, loss, rtol=1e-11)


@EVERY_OBJECTIVE
def test_the_cotangent_is_the_frechet_derivative_of_scipy(objective):
    K = np.asarray(gram_of(some_rows(40)))
    y = discriminator.labels(20, 20)
    direction = np.random.default_rng(1).normal(size=K.shape)
    direction += direction.T
    targets = np.asarray(objective.targets(y))
    found = solved(jnp.asarray(K), y, 3.0, objective=objective, solver="lanczos")
    E, dE = scipy.linalg.expm_frechet(-3.0 * K, -3.0 * direction)
    slope = objective.loss_and_slope(jnp.asarray(targets - E @ targets)).slope
    wanted = -np.sum(np.asarray(slope) * (dE @ targets))
    assert float(np.sum(dense(found.cotangent) * direction)) == pytest.approx(wanted, rel=1e-9)


def test_24_products_are_enough_for_predictions_and_30_for_the_cotangent():
    K, y, lam = jnp.asarray(digits(64, 64)), discriminator.labels(64, 64), reference_lam(64)
    exact = solved(K, y, lam)
    short = by_lanczos(Operator.of(K), y, lam, objective=SquaredError(), most_products=24)
    assert int(short.products) == 24
    np.testing.assert_allclose(short.predictions, exact.predictions, rtol=0, atol=1e-10)
    np.testing.assert_allclose(short.loss, exact.loss, rtol=1e-10)
    # The slope is half-way through exp(-lam K) already: G looks twice as far in time as D.
    whole = solved(K, y, lam, solver="lanczos")
    assert int(whole.products) <= 30
    assert relative(dense(whole.cotangent), exact.cotangent) < 1e-10


@EVERY_OBJECTIVE
@pytest.mark.parametrize(("times", "most"), [(1, 48), (10, 96), (100, 160)])
def test_real_digits_are_solved_at_the_authors_lam_and_far_above(times, most, objective):
    K, y = jnp.asarray(digits(96, 64)), discriminator.labels(96, 64)
    lam = times * reference_lam(80)
    exact = solved(K, y, lam, objective=objective)
    found = solved(K, y, lam, objective=objective, solver="lanczos")
    assert int(found.products) <= most
    assert float(found.residual) <= 1e-10
    np.testing.assert_allclose(found.predictions, exact.predictions, rtol=0, atol=1e-10)
    # Where lam has made the gradient vanish, it is known in units of one that has not vanished.
    scale = max(float(np.linalg.norm(exact.cotangent)), 1.0)
    assert np.linalg.norm(dense(found.cotangent) - exact.cotangent) < 1e-9 * scale


@EVERY_OBJECTIVE
@pytest.mark.parametrize("times", [1, 10])
def test_a_float32_kernel_costs_at_most_3e_5(times, objective):
    K, y, lam = digits(128, 128), discriminator.labels(128, 128), times * reference_lam(128)
    exact = solved(jnp.asarray(K), y, lam, objective=objective)
    single = jnp.asarray(K, jnp.float32)
    found = solved(single, y, lam, objective=objective, solver="lanczos")
    assert found.predictions.dtype == found.cotangent.left.dtype == jnp.float64
    np.testing.assert_allclose(found.predictions, exact.predictions, rtol=0, atol=3e-5)
    assert relative(dense(found.cotangent), exact.cotangent) < 3e-5


def test_without_float64_everything_is_float32_and_still_right():
    K, y = gram_of(some_rows(40)), discriminator.labels(20, 20)
    exact = solved(K, y, 3.0)
    with jax.enable_x64(False):
        single = jnp.asarray(K, jnp.float32), jnp.asarray(y, jnp.float32)
        found = solved(*single, 3.0, solver="lanczos")
        assert found.loss.dtype == found.cotangent.left.dtype == jnp.float32
        G, other = dense(found.cotangent), solved(*single, 3.0).cotangent
    np.testing.assert_allclose(found.predictions, exact.predictions, rtol=0, atol=3e-5)
    # What eigh loses in float32, 4e-5 here, no sum of float32 products can have.
    assert relative(G, exact.cotangent) < 2 * relative(np.asarray(other), exact.cotangent)


@EVERY_OBJECTIVE
def test_rows_that_live_elsewhere_give_the_same_answer(objective):
    K = np.asarray(gram_of(some_rows(40)))
    y, counted = discriminator.labels(20, 20), []

    def product(v) -> np.ndarray:
        """Two workers' rows of K; nothing of JAX."""
        v = np.asarray(v)
        counted.append(v.shape[1])
        return np.concatenate([K[:25] @ v, K[25:] @ v])

    operator = Operator(product, K.dtype, trace=np.trace(K))
    settings = {"objective": objective, "diagonal": 1e-3}
    found = by_lanczos(operator, y, 3.0, loop=on_host, **settings)
    jitted = solved(jnp.asarray(K), y, 3.0, solver="lanczos", **settings)
    assert sum(counted) == int(found.products) == int(jitted.products)
    np.testing.assert_allclose(found.predictions, jitted.predictions, rtol=0, atol=1e-13)
    np.testing.assert_allclose(dense(found.cotangent), dense(jitted.cotangent), atol=1e-12)


def test_a_scan_inside_a_jitted_program_gives_each_its_own_answer():
    K, y = gram_of(some_rows(40)), discriminator.labels(20, 20)
    lams = jnp.array([0.3, 30.0, 3.0])

    @jax.jit
    def all_losses(lams):
        def one(_, lam):
            found = loss_and_cotangent(K, y, lam, solver="lanczos")
            return None, (found.loss, found.products)

        return jax.lax.scan(one, None, lams)[1]

    losses, products = all_losses(lams)
    wanted = [float(solved(K, y, lam).loss) for lam in lams]
    np.testing.assert_allclose(losses, wanted, rtol=1e-12)
    assert products[0] < products[2] < products[1]


@EVERY_OBJECTIVE
def test_the_residual_says_that_a_run_was_too_short_and_by_how_much(objective):
    K, y, lam = jnp.asarray(digits(64, 64)), discriminator.labels(64, 64), reference_lam(64)
    exact = solved(K, y, lam, objective=objective)
    for most in (10, 20):
        found = by_lanczos(Operator.of(K), y, lam, objective=objective, most_products=most)
        error = float(jnp.linalg.norm(found.predictions - exact.predictions)) / len(y) ** 0.5
        assert float(found.residual) > tolerance(K.dtype, y.dtype)
        # A bound, but for the coupling after the last product, which is a guess.
        assert error < 2 * float(found.residual)


def test_the_cotangent_takes_memory_by_the_number_of_products():
    K, y = jnp.asarray(digits(128, 128)), discriminator.labels(128, 128)
    operator = Operator.of(K)
    G = by_lanczos(operator, y, 2.56, objective=SquaredError(), most_products=40).cotangent
    assert G.left.shape == G.right.shape == (256, 42)


def test_ritz_values_lie_between_the_eigenvalues():
    K, y = jnp.asarray(digits(64, 64)), discriminator.labels(64, 64)
    exact, found = (solved(K, y, 5.12, solver=s).eigenvalues for s in ("eigh", "lanczos"))
    assert exact[0] <= found[0] < found[-1]
    np.testing.assert_allclose(found[-1], exact[-1], rtol=1e-12)
    assert np.all(np.diff(found) >= 0)


@pytest.mark.parametrize("diagonal", [0.0, 1e-3])
def test_the_ritz_pairs_give_the_error_of_every_lam(diagonal):
    K, y = jnp.asarray(digits(96, 64)), discriminator.labels(96, 64)
    whole = discriminator.spectrum(K, diagonal=diagonal)
    part = discriminator.partial_spectrum(Operator.of(K), y, diagonal=diagonal, most_products=80)
    assert part.eigenvectors.shape == (160, 81)
    for lam in (0.0, 0.01, 1.0, 100.0):
        errors = [float(discriminator.separation_error(s, y, lam)) for s in (whole, part)]
        assert errors[1] == pytest.approx(errors[0], rel=1e-9, abs=1e-13)
    for error in (0.1, 1e-3, 1e-6):
        assert solve(part, y, error) == pytest.approx(solve(whole, y, error), rel=1e-9)


def test_an_objective_of_many_targets_needs_no_word_on_where_it_starts():
    class TwoColumns(Objective):
        """Cross entropy with one-hot labels: a third of the columns it starts from is none."""

        def targets(self, y):
            return jnp.stack([1 - y, y], axis=1)

        def loss_and_slope(self, predictions):
            loss, slope = CrossEntropy().loss_and_slope(predictions[:, 1:] - predictions[:, :1])
            return type(CrossEntropy().loss_and_slope(predictions))(
                loss, jnp.concatenate([-slope, slope], axis=1)
            )

    K, y = gram_of(some_rows(40)), discriminator.labels(20, 20)
    wanted = solved(K, y, 3.0, objective="cross_entropy")
    found = by_lanczos(Operator.of(K), y, 3.0, objective=TwoColumns())
    np.testing.assert_allclose(found.loss, wanted.loss, rtol=1e-12)
    np.testing.assert_allclose(dense(found.cotangent), wanted.cotangent, rtol=0, atol=1e-11)
