r"""$\lambda$: the authors' flags translated, and Algorithm 1 as it is meant."""

import importlib
import math

import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.discriminator import Spectrum, labels, predict, separation_error, spectrum
from ganntk.errors import InputError
from ganntk.kernels.stax import import_stax
from ganntk.lam import Annealed, Fixed, Searched, reference_rate, solve

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

SIZES = (16, 32, 64, 128, 256, 512, 1024)


def some_spectrum(real: int = 6, points: int = 6) -> tuple[Spectrum, jnp.ndarray]:
    rows = np.random.default_rng(0).uniform(size=(real + points, 3))
    gaps = rows[:, None] - rows[None, :]
    K = jnp.asarray(np.exp(-2 * np.sum(gaps**2, axis=2)))
    return spectrum(K), labels(real, points)


@pytest.mark.parametrize(
    ("rate", "column"),
    [
        (1, (10.24, 5.12, 2.56, 1.28, 0.64, 0.32, 0.16)),
        (2, (20.48, 10.24, 5.12, 2.56, 1.28, 0.64, 0.32)),
        (4, (40.96, 20.48, 10.24, 5.12, 2.56, 1.28, 0.64)),
    ],
)
def test_the_rates_of_the_reference_code_are_translated_as_tabled(rate, column):
    for n, lam in zip(SIZES, column, strict=True):
        assert reference_rate(rate, n, n) == pytest.approx(lam, rel=1e-12)


def test_a_rate_means_to_neural_tangents_what_it_means_here():
    import_stax()
    predict_module = importlib.import_module("neural_tangents.predict")
    rng = np.random.default_rng(0)
    features = rng.normal(size=(9, 6))
    K = features @ features.T / 50
    y = np.repeat([1.0, 0.0], [4, 5])
    one_hot = np.stack([1 - y, y], axis=1)
    predictor = predict_module.gradient_descent_mse(jnp.asarray(K), one_hot, learning_rate=0.01)
    for rate in (0.01, 0.1, 1.0):
        theirs = predictor(65536 * rate, 0.0, 0.0, jnp.asarray(K))[0]
        lam = reference_rate(rate, 4, 5)
        ours = predict(jnp.asarray(K), jnp.asarray(one_hot), lam)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_the_error_falls_monotonically_from_the_share_of_real_rows():
    eigen, y = some_spectrum(real=3, points=6)
    errors = [float(separation_error(eigen, y, lam)) for lam in (0, *np.logspace(-4, 8, 60))]
    assert errors[0] == pytest.approx(1 / 3, rel=1e-12)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-12


@pytest.mark.parametrize("error", [0.4, 0.1, 1e-2, 1e-3, 1e-9])
def test_the_search_meets_the_error_that_was_asked(error):
    eigen, y = some_spectrum()
    lam = solve(eigen, y, error)
    assert float(separation_error(eigen, y, lam)) == pytest.approx(error, rel=1e-9)
    assert Searched(error).choose(eigen, y) == lam


def test_the_search_agrees_with_doubling_up_to_its_granularity():
    eigen, y = some_spectrum()
    for error in (0.03, 1e-2, 1e-3):
        doubled = 1.0
        while float(separation_error(eigen, y, doubled)) > error:
            doubled *= 2
        assert doubled / 2 < solve(eigen, y, error) <= doubled


def test_the_search_goes_below_one_where_doubling_cannot():
    eigen, y = some_spectrum()
    easy = Spectrum(1000 * eigen.eigenvalues, eigen.eigenvectors)
    lam = solve(easy, y, 0.1)
    assert 0 < lam < 1
    # The error depends on lam times the eigenvalues alone.
    assert lam == pytest.approx(solve(eigen, y, 0.1) / 1000, rel=1e-9)


def test_no_training_is_needed_for_an_error_that_is_met_already():
    eigen, y = some_spectrum(real=2, points=8)
    assert solve(eigen, y, 0.3) == 0


def test_points_on_the_real_rows_cannot_be_separated():
    vectors = jnp.array([[1.0, 1.0], [-1.0, 1.0]]) / math.sqrt(2)
    with pytest.raises(InputError, match=r"the best is 0\.25, because rows coincide"):
        solve(Spectrum(jnp.array([0.0, 2.0]), vectors), labels(1, 1), 1e-3)


@pytest.mark.parametrize("rounding", [1e-18, 1e-16])
def test_rounding_of_a_null_eigenvalue_is_no_eigenvalue(rounding):
    vectors = jnp.array([[1.0, 1.0], [-1.0, 1.0]]) / math.sqrt(2)
    with pytest.raises(InputError, match="because rows coincide"):
        solve(Spectrum(jnp.array([rounding, 2.0]), vectors), labels(1, 1), 1e-3)


def test_a_fixed_lam_is_the_value_given():
    eigen, y = some_spectrum()
    assert Fixed(5.12).choose(eigen, y) == 5.12


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_fixed_lam_that_is_none_is_refused(value):
    with pytest.raises(InputError, match="expected a finite number of at least 0"):
        Fixed(value)


@pytest.mark.parametrize("error", [0.0, 0.5, -1.0, float("nan")])
def test_a_tolerance_that_is_none_is_refused(error):
    with pytest.raises(InputError, match=r"expected a tolerance between 0 and 0\.5"):
        Searched(error)


def followed(rule: Annealed, lam: float, steps: int, error: float | None = None) -> list[float]:
    """The values of some steps on one spectrum that does not change."""
    eigen, y = some_spectrum()
    weights = jnp.square(eigen.eigenvectors.T @ y) / len(y)
    found = []
    for step in range(1, steps + 1):
        lam = rule.after(jnp.asarray(step), jnp.asarray(lam), eigen.eigenvalues, weights)
        found.append(float(lam))
    return found


def test_an_annealed_lam_meets_its_schedule_of_errors():
    eigen, y = some_spectrum()
    rule = Annealed(error=1e-2, last_error=1e-1, steps=10, factor=2.0, most=1e6)
    lam = rule.choose(eigen, y)
    assert lam == pytest.approx(solve(eigen, y, 1e-2), rel=1e-12)
    for step, found in enumerate(followed(rule, lam, 15), start=1):
        target = 1e-2 * 10 ** min(step / 10, 1)
        assert float(separation_error(eigen, y, found)) == pytest.approx(target, rel=1e-9)


def test_an_annealed_lam_changes_by_its_factor_at_most_and_knows_a_largest():
    eigen, y = some_spectrum()
    wanted = solve(eigen, y, 1e-2)
    rule = Annealed(error=1e-2, last_error=1e-2, factor=1.1, most=0.9 * wanted)
    values = followed(rule, wanted / 4, 20)
    ratios = np.divide(values, [wanted / 4, *values[:-1]])
    assert ratios.max() == pytest.approx(1.1, rel=1e-9)
    assert values[-1] == pytest.approx(0.9 * wanted, rel=1e-12)
    assert rule.choose(eigen, y) == pytest.approx(0.9 * wanted, rel=1e-12)
    assert followed(rule, wanted * 8, 1)[0] == pytest.approx(0.9 * wanted, rel=1e-12)


def test_rules_that_are_no_schedule_keep_lam():
    for rule in (Fixed(2.0), Searched()):
        assert rule.after(jnp.asarray(3), jnp.asarray(2.5), jnp.ones(2), jnp.ones(2)) == 2.5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"error": 0.5}, r"lam\.error is 0\.5"),
        ({"last_error": 0.0}, r"lam\.last_error is 0\.0"),
        ({"steps": 0}, r"lam\.steps is 0"),
        ({"factor": 1.0}, r"lam\.factor is 1\.0"),
        ({"most": math.inf}, r"lam\.most is inf"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        Annealed(**arguments)
