"""Intervals beside the textbook: the jackknife of a mean is its standard error."""

import numpy as np
import pytest
from scipy import stats

from ganntk.errors import InputError
from ganntk.metrics.intervals import from_error, groups_of, jackknife


def mean_of(rows: list[np.ndarray]):
    return jackknife(
        rows, lambda a, b: np.concatenate([a, b]), lambda state: {"mean": float(state.mean())}
    )["mean"]


def test_the_interval_of_a_mean_is_students():
    values = np.random.default_rng(0).standard_normal(20)
    found = mean_of([values[i : i + 1] for i in range(20)])
    low, high = stats.t.interval(0.95, 19, loc=values.mean(), scale=stats.sem(values))
    assert found == pytest.approx((values.mean(), low, high))


def test_intervals_hold_the_truth_as_often_as_they_say():
    draws = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        values = draws.exponential(size=60)
        found = mean_of([values[group] for group in groups_of(60)])
        held += found.low <= 1 <= found.high
    # 95 % of 400 within three deviations of a binomial, and a skewed law costs a little.
    assert 0.90 <= held / 400 <= 0.985


@pytest.mark.parametrize("count", [2, 3, 7])
def test_each_group_is_left_out_once(count):
    seen = []
    groups = [frozenset({j}) for j in range(count)]
    jackknife(groups, frozenset.union, lambda state: seen.append(state) or {"n": len(state)})
    everything = frozenset(range(count))
    assert seen == [everything, *(everything - {j} for j in range(count))]


def test_an_error_reaches_by_two_deviations():
    assert from_error(1.0, 0.5) == pytest.approx((1.0, 0.020018, 1.979982), abs=1e-6)


@pytest.mark.parametrize(("count", "groups"), [(5, 2), (4, 10), (101, 10)])
def test_groups_hold_every_row_once(count, groups):
    slices = groups_of(count, groups)
    rows = np.concatenate([np.arange(count)[part] for part in slices])
    np.testing.assert_array_equal(rows, np.arange(count))
    assert max(len(np.arange(count)[s]) for s in slices) <= -(-count // len(slices))


def test_one_group_has_no_interval():
    with pytest.raises(InputError, match="at least two"):
        mean_of([np.ones(3)])
