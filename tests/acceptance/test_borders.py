"""The Python contract and its borders: what is refused, with which sentence."""

import numpy as np
import optax
import pytest

import ganntk
from ganntk import discriminator, synthesis
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.lam import Fixed, Searched, solve
from ganntk.optimizers import Optimizer

_ROWS = np.random.default_rng(0).uniform(size=(6, 5)).astype(np.float32)


def test_synthesize_gives_rows_in_range_the_curve_and_d():
    seen = []
    result = ganntk.synthesize(
        _ROWS,
        points=4,
        kernel="fnn",
        lam="auto",
        steps=3,
        on_report=lambda step, report: seen.append(step),
    )
    assert result.images.shape == (4, 5)
    assert result.images.dtype == np.float32
    assert 0 <= result.images.min() <= result.images.max() <= 1
    assert result.loss.shape == (3,)
    assert result.d.shape == (4,)
    assert result.lam > 0
    assert seen == [3]


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (_ROWS * 255, "divide by 255"),
        (_ROWS[:1], "at least two rows"),
        (np.where(_ROWS > 0.99, np.nan, _ROWS) * np.nan, "not finite"),
        ([np.zeros((8, 8)), np.zeros((8, 9))], "mixed shapes"),
        (np.zeros((8, 8, 1)), "one image only"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_in_one_sentence(rows, part):
    with pytest.raises(InputError, match=part) as caught:
        ganntk.synthesize(rows, kernel="fnn", steps=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"kernel": "cnn-minst"}, "did you mean cnn-mnist"),
        ({"objective": "squared"}, "did you mean squared_error"),
        ({"lam": "often"}, 'expected a number, "auto"'),
        ({"lam": -1.0}, "at least 0"),
        ({"steps": 0}, "at least 1"),
        ({"points": 0}, "at least 1"),
        ({"optimizer": Optimizer("adamm")}, "did you mean adam"),
        ({"optimizer": Optimizer("adam", arguments={"b3": 1.0})}, "its arguments are"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_in_one_sentence(settings, part):
    with pytest.raises(InputError, match=part):
        ganntk.synthesize(_ROWS, **{"kernel": "fnn", "steps": 1, **settings})


@pytest.mark.parametrize("name", ["adam", "sgd", "rmsprop", "lion", "adamw"])
def test_an_optimizer_of_optax_is_made_by_name(name):
    made, own = Optimizer(name, 0.1).build(), getattr(optax, name)(0.1)
    points, slope = np.ones((2, 3)), np.full((2, 3), 0.5)
    ours, theirs = (o.update(slope, o.init(points), points)[0] for o in (made, own))
    np.testing.assert_array_equal(ours, theirs)


class Undefined(Searched):
    """Fixed refuses such a lam; a rule of one's own may still give it."""

    def choose(self, spectrum, y):
        return float("nan")


def test_a_non_finite_objective_stops_with_step_lam_and_eigenvalues():
    with pytest.raises(NonFiniteObjectiveError, match=r"step 0: .* at lam nan with eigenvalues in"):
        ganntk.synthesize(_ROWS, kernel="fnn", lam=Undefined(), steps=2)


def test_rows_that_coincide_cannot_be_separated():
    with synthesis.numerics():
        K, y = np.ones((4, 4)), discriminator.labels(2, 2)
        eigen = discriminator.spectrum(K)
        with pytest.raises(InputError, match="because rows coincide"):
            solve(eigen, y, 1e-3)
        assert Fixed(2.0).choose(eigen, y) == 2.0
