"""The objectives: the reference code's in two forms, and the landmarks of both."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk import discriminator
from ganntk.discriminator import loss_and_cotangent
from ganntk.errors import InputError
from ganntk.objectives import CrossEntropy, LossAndSlope, Objective, SquaredError

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")


@dataclass(frozen=True)
class TwoColumns(Objective):
    """The released code's: a discriminator with one-hot labels, softmax, target "real"."""

    def targets(self, y):
        return jnp.stack([1 - y, y], axis=1)

    def loss_and_slope(self, predictions):
        count = len(predictions)
        loss = -jnp.mean(jax.nn.log_softmax(predictions)[:, 1])
        slope = (jax.nn.softmax(predictions) - jnp.array([0.0, 1.0])) / count
        return LossAndSlope(loss, slope)


def gram_of(rows: np.ndarray) -> jax.Array:
    gaps = rows[:, None] - rows[None, :]
    return jnp.asarray(np.exp(-2 * np.sum(gaps**2, axis=2)))


def separated_and_coincident(objective: Objective, n: int = 6) -> tuple[float, float]:
    """The objective's values where D equals its labels, and where Z = X, both for large lam."""
    y = discriminator.labels(n, n)
    rows = np.random.default_rng(0).uniform(size=(n, 3))
    coincident = gram_of(np.concatenate([rows, rows]))
    gram_matrices = (jnp.eye(2 * n), coincident)
    first, second = (loss_and_cotangent(K, y, 1e9, objective=objective) for K in gram_matrices)
    return float(first.loss), float(second.loss)


def test_cross_entropy_is_the_softmax_of_two_columns():
    K = gram_of(np.random.default_rng(0).uniform(size=(10, 3)))
    y = discriminator.labels(6, 4)
    for lam in (0.0, 0.3, 5.12, 300.0):
        ours = loss_and_cotangent(K, y, lam, objective=CrossEntropy())
        theirs = loss_and_cotangent(K, y, lam, objective=TwoColumns())
        np.testing.assert_allclose(ours.loss, theirs.loss, rtol=0, atol=1e-14)
        scale = max(1.0, float(jnp.max(jnp.abs(theirs.cotangent))))
        np.testing.assert_allclose(ours.cotangent, theirs.cotangent, rtol=0, atol=1e-14 * scale)
        np.testing.assert_array_equal(ours.predictions, theirs.predictions)


def test_squared_error_is_half_the_real_rows_apart_and_a_quarter_together():
    apart, together = separated_and_coincident(SquaredError(), n=6)
    assert apart == pytest.approx(0.5 * 6, rel=1e-12)
    assert together == pytest.approx(0.25 * 6, rel=1e-6)


def test_cross_entropy_is_0_8133_apart_and_log_2_together():
    apart, together = separated_and_coincident(CrossEntropy())
    assert apart == pytest.approx(0.8133, abs=5e-5)
    assert together == pytest.approx(np.log(2), rel=1e-6)


def test_cross_entropy_of_a_large_margin_overflows_nowhere():
    loss, slope = CrossEntropy().loss_and_slope(jnp.array([[1e4], [-1e4]]))
    assert float(loss) == 5e3
    np.testing.assert_array_equal(slope, [[0], [-0.5]])


@pytest.mark.parametrize("target", [0.3, 0.6])
def test_a_target_below_one_has_the_gradient_of_its_loss(target):
    objective = SquaredError(target=target)
    K, y = gram_of(np.random.default_rng(0).uniform(size=(9, 3))), discriminator.labels(5, 4)
    found = loss_and_cotangent(K, y, 3.0, objective=objective)

    def loss(K):
        D = y - jax.scipy.linalg.expm(-3.0 * K) @ y
        return jnp.sum((D - target) ** 2) / 2

    slope = jax.grad(loss)(K)
    assert float(found.loss) == pytest.approx(float(loss(K)), rel=1e-12)
    np.testing.assert_allclose(found.cotangent, (slope + slope.T) / 2, rtol=0, atol=1e-12)


@pytest.mark.parametrize("target", [0.3, 0.6])
def test_a_target_below_one_is_solved_by_products_too(target):
    objective = SquaredError(target=target)
    K, y = gram_of(np.random.default_rng(1).uniform(size=(20, 3))), discriminator.labels(12, 8)
    exact = loss_and_cotangent(K, y, 3.0, objective=objective)
    found = loss_and_cotangent(K, y, 3.0, objective=objective, solver="lanczos")
    assert float(found.loss) == pytest.approx(float(exact.loss), rel=1e-10)
    factors = found.cotangent
    G = factors.left @ factors.right.T + factors.identity * jnp.eye(20)
    scale = float(jnp.max(jnp.abs(exact.cotangent)))
    np.testing.assert_allclose((G + G.T) / 2, exact.cotangent, rtol=0, atol=1e-9 * scale)


def test_rows_at_their_target_are_pulled_no_further():
    loss, slope = SquaredError(target=0.5).loss_and_slope(jnp.full((6, 1), 0.5))
    assert float(loss) == 0
    assert (np.asarray(slope) == 0).all()


@pytest.mark.parametrize("target", [0.0, 1.01, float("nan")])
def test_a_target_that_no_discriminator_says_is_refused(target):
    with pytest.raises(InputError, match=r"objective\.target"):
        SquaredError(target=target)
