"""A synthesis in one call: the contract of the Python interface."""

import dataclasses

import jax
import numpy as np
import pytest

import ganntk
from ganntk import InputError, NonFiniteObjectiveError
from ganntk.kernels import Dense, Flatten, Network, Relu
from ganntk.lam import Fixed, Searched
from ganntk.objectives import CrossEntropy
from ganntk.optimizers import Optimizer

pytestmark = pytest.mark.usefixtures("quick_compile")

KERNEL = Network((Flatten(), Dense(), Relu(), Dense()))
X = np.random.default_rng(0).uniform(size=(6, 3, 2, 1)).astype(np.float32)


def synthesize(**settings) -> ganntk.SynthesisResult:
    """A short synthesis with a small kernel."""
    return ganntk.synthesize(X, **{"kernel": KERNEL, "lam": 5.12, "steps": 3, **settings})


def test_the_result_is_rows_in_range_the_curve_and_d():
    seen = []
    result = synthesize(
        points=4, kernel="fnn", lam="auto", on_report=lambda step, report: seen.append(step)
    )
    assert result.images.shape == (4, 3, 2, 1)
    assert result.images.dtype == np.float32
    assert 0 <= result.images.min() <= result.images.max() <= 1
    assert result.loss.shape == (3,)
    assert result.loss[-1] < result.loss[0]
    assert result.d.shape == (4,)
    assert result.lam > 0
    assert seen == [3]


def test_as_many_rows_are_generated_as_there_are_real_ones():
    assert synthesize().images.shape == X.shape


def test_a_seed_fixes_everything_and_reports_change_nothing():
    first, again = synthesize(seed=5), synthesize(seed=5, on_report=lambda step, report: None)
    for field in dataclasses.fields(first):
        one, other = (np.asarray(getattr(result, field.name)) for result in (first, again))
        np.testing.assert_array_equal(one, other)
    assert not np.any(synthesize(seed=6).images == first.images)


def test_reports_come_in_blocks_whose_length_changes_nothing():
    steps, losses = [], []

    def keep(step, report):
        steps.append(step)
        losses.extend(np.asarray(report.loss).tolist())

    result = synthesize(steps=60, on_report=keep)
    assert steps == [50, 60]
    np.testing.assert_array_equal(losses, result.loss)
    np.testing.assert_array_equal(result.loss[:3], synthesize().loss)


def test_settings_are_given_by_name_or_as_objects():
    by_name = synthesize(kernel="fnn", objective="cross_entropy", lam=2)
    by_object = synthesize(
        kernel=ganntk.kernels.named("fnn"), objective=CrossEntropy(), lam=Fixed(2.0)
    )
    np.testing.assert_array_equal(by_name.images, by_object.images)
    assert by_name.lam == 2.0
    assert synthesize(lam="auto").lam == synthesize(lam=Searched(1e-3)).lam


def test_lam_auto_separates_the_start_from_the_data_to_one_in_a_thousand():
    result = synthesize(lam="auto", steps=1, optimizer=Optimizer("sgd", 1e-12))
    # The points have not moved: D is still what lam was chosen for.
    assert np.mean(result.d**2) < 2e-3


def test_an_optimizer_may_be_chosen():
    tiny = synthesize(optimizer=Optimizer("sgd", 1e-12), steps=1)
    adam = synthesize(steps=1)
    # One step of Adam moves every number by its learning rate, unless the range stops it.
    moved = np.abs(adam.images - tiny.images)
    inside = (adam.images > 0) & (adam.images < 1)
    np.testing.assert_allclose(moved[inside], 0.02, rtol=1e-3)


def test_bytes_and_grey_images_are_taken():
    bytes_ = np.round(X * 255).astype(np.uint8)
    settings = {"kernel": KERNEL, "lam": 5.12, "steps": 3}
    from_bytes = ganntk.synthesize(bytes_, **settings)
    from_grey = ganntk.synthesize(bytes_[..., 0], **settings)
    np.testing.assert_array_equal(from_bytes.images, from_grey.images)
    assert from_bytes.images.shape == X.shape


def test_both_precisions_take_nearly_the_same_path():
    single, double = (synthesize(precision=p) for p in ("float32", "float64"))
    np.testing.assert_allclose(single.images, double.images, atol=1e-4)
    np.testing.assert_allclose(single.loss, double.loss, rtol=1e-5)


def test_the_precision_of_the_caller_is_left_as_it_was():
    synthesize(steps=1)
    assert jax.numpy.asarray(0.0).dtype == np.float32


def with_value(value: float) -> np.ndarray:
    spoilt = X.copy()
    spoilt[2, 0, 1, 0] = value
    return spoilt


@pytest.mark.parametrize(
    ("rows", "part"),
    [
        (with_value(np.nan), "hold nan .first in row 2"),
        (with_value(np.inf), "hold inf .first in row 2"),
        (with_value(1.5), r"lie in \[.*, 1.5\] and \[0, 1\] was expected"),
        (with_value(-0.5), r"lie in \[-0.5, .*\] and \[0, 1\] was expected"),
        (X * 255, "divide by 255"),
        (X[:1], "at least two rows"),
        (X[0], "one image only"),
        ([np.zeros((8, 8)), np.zeros((8, 9))], "mixed shapes"),
        (np.array([["a", "b"], ["c", "d"]]), "give real numbers"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_in_one_sentence(rows, part):
    with pytest.raises(InputError, match=part) as caught:
        ganntk.synthesize(rows, kernel=KERNEL, steps=1)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"kernel": "cnn-minst"}, "did you mean cnn-mnist"),
        ({"objective": "squared"}, "did you mean squared_error"),
        ({"lam": "often"}, 'expected a number, "auto"'),
        ({"lam": -1.0}, "at least 0"),
        ({"lam": float("nan")}, "at least 0"),
        ({"steps": 0}, "at least 1"),
        ({"solver": "lancos"}, "did you mean lanczos"),
        ({"points": 0}, "at least 1"),
        ({"optimizer": Optimizer("adamm")}, "did you mean adam"),
        ({"optimizer": Optimizer("adam", arguments={"b3": 1.0})}, "its arguments are"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_in_one_sentence(settings, part):
    with pytest.raises(InputError, match=part) as caught:
        synthesize(**settings)
    assert "\n" not in str(caught.value)


@dataclasses.dataclass(frozen=True)
class Unbounded(Searched):
    """Fixed refuses such a lam; a rule of one's own may still give it."""

    def choose(self, spectrum, y):
        return float("inf")


def test_a_non_finite_objective_stops_the_run_with_step_lam_and_eigenvalues():
    # exp(-lam kappa) is 0, and lam times it is not a number.
    with pytest.raises(NonFiniteObjectiveError, match=r"step 0: .* at lam inf with eigenvalues in"):
        synthesize(lam=Unbounded())
