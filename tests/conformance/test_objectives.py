"""What every registered objective must do: a new one is one row of the table."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk import discriminator
from ganntk.objectives import CrossEntropy, Objective, SquaredError

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

OBJECTIVES: dict[str, Objective] = {
    "cross_entropy": CrossEntropy(),
    "squared_error": SquaredError(),
}
EVERY_OBJECTIVE = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)


def test_the_table_holds_every_registered_objective():
    assert set(OBJECTIVES) == set(Objective.get_known_choices())  # type: ignore[attr-defined]


@EVERY_OBJECTIVE
def test_an_objective_is_a_value(objective):
    again = dataclasses.replace(objective)
    assert again == objective
    assert hash(again) == hash(objective)


@EVERY_OBJECTIVE
def test_the_slope_is_the_derivative_of_the_loss(objective):
    targets = objective.targets(discriminator.labels(4, 3))
    predictions = jnp.asarray(np.random.default_rng(0).normal(size=targets.shape))
    loss, slope = objective.loss_and_slope(predictions)
    assert loss.shape == ()
    assert slope.shape == predictions.shape
    wanted = jax.grad(lambda F: objective.loss_and_slope(F).loss)(predictions)
    np.testing.assert_allclose(slope, wanted, rtol=1e-14)


@EVERY_OBJECTIVE
def test_points_that_pass_for_real_are_worth_a_smaller_loss(objective):
    fitted = objective.targets(discriminator.labels(4, 3))
    fooled = objective.targets(jnp.ones(7))
    losses = [float(objective.loss_and_slope(F).loss) for F in (fooled, (fitted + fooled) / 2)]
    assert losses[0] < losses[1] < float(objective.loss_and_slope(fitted).loss)


@EVERY_OBJECTIVE
def test_a_solver_starts_from_columns_that_hold_what_they_promise(objective):
    y = discriminator.labels(4, 3)
    targets, starts = objective.targets(y), objective.starts(y)
    F = np.random.default_rng(0).normal(size=targets.shape)
    held = [y[:, None], targets]
    if starts.hold_slope:
        # The slope is linear in F: what F does not explain is in the columns.
        slopes = [objective.loss_and_slope(jnp.asarray(each)).slope for each in (F, 0 * F)]
        held.append(slopes[1])
        factor = np.linalg.lstsq(F, slopes[0] - slopes[1])[0]
        np.testing.assert_allclose(F @ factor, slopes[0] - slopes[1], atol=1e-13)
    for columns in held:
        found = starts.columns @ np.linalg.lstsq(starts.columns, columns)[0]
        np.testing.assert_allclose(found, columns, atol=1e-13)


@EVERY_OBJECTIVE
def test_targets_are_columns_of_the_labels_precision(objective):
    for dtype in (jnp.float32, jnp.float64):
        targets = objective.targets(discriminator.labels(2, 5, dtype))
        assert targets.dtype == dtype
        assert targets.shape[0] == 7
