"""The kernel distance beside the published estimator, term by term."""

import itertools

import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.metrics import kernel_distance
from ganntk.metrics.kernel_distance import between, compute, init, merge, update


def features(seed: int, rows: int, width: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width))


def kernel(a: np.ndarray, b: np.ndarray) -> float:
    return (float(a @ b) / len(a) + 1) ** 3


def by_definition(xs: np.ndarray, ys: np.ndarray) -> float:
    xx = np.mean([kernel(a, b) for a, b in itertools.permutations(xs, 2)])
    yy = np.mean([kernel(a, b) for a, b in itertools.permutations(ys, 2)])
    xy = np.mean([kernel(a, b) for a, b in itertools.product(xs, ys)])
    return float(xx + yy - 2 * xy)


def test_value_is_the_unbiased_estimator():
    one, other = features(0, 17), 0.5 + features(1, 23)
    assert between(one, other).value == pytest.approx(by_definition(one, other), rel=1e-12)


def test_value_is_that_of_clean_fid():
    """By `kernel_distance` of clean-fid 0.1.35, all rows in one subset."""
    found = between(features(0, 17), 0.5 + features(1, 17)).value
    assert found == pytest.approx(0.7563129662152858, rel=1e-12)


def test_standard_error_is_the_jackknife_of_both_sides():
    one, other = features(2, 9), 0.5 + features(3, 12)
    without_x = [by_definition(np.delete(one, i, 0), other) for i in range(9)]
    without_y = [by_definition(one, np.delete(other, i, 0)) for i in range(12)]
    variance = 8 * np.var(without_x) + 11 * np.var(without_y)
    assert between(one, other).standard_error == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_samples_of_one_distribution_are_at_zero_within_the_error():
    found = np.array([between(features(2 * s, 60), features(2 * s + 1, 80)) for s in range(60)])
    values, errors = found.T
    # Unbiased: the mean of 60 estimates is zero within three of its own errors.
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(60)
    # The jackknife is a conservative error: never much less than what the estimates scatter by.
    assert errors.mean() > 0.8 * values.std()


def test_shifted_samples_are_away_from_zero():
    found = between(features(0, 100), 1 + features(1, 100))
    assert found.value > 5 * found.standard_error


@pytest.mark.parametrize("cuts", [(1, 2), (10, 20), (5, 29)])
def test_shards_merge_to_the_whole(cuts):
    rows, other = features(4, 30), update(init(5), features(5, 20))
    whole = compute(update(init(5), rows), other)
    first, second, third = (update(init(5), part) for part in np.split(rows, cuts))
    merged = compute(merge(first, merge(second, third)), other)
    np.testing.assert_allclose(merged, whole, rtol=1e-11)


def test_the_memory_bound_changes_nothing():
    one, other = features(6, 40), features(7, 30)
    small, large = (
        compute(
            update(init(5), one, memory_bytes=memory),
            update(init(5), other, memory_bytes=memory),
            memory_bytes=memory,
        )
        for memory in (1, 1 << 27)
    )
    np.testing.assert_allclose(small, large, rtol=1e-11)


def test_float32_features_are_summed_in_float64():
    one, other = features(8, 20).astype(np.float32), features(9, 20).astype(np.float32)
    expected = by_definition(one.astype(np.float64), other.astype(np.float64))
    assert between(one, other).value == pytest.approx(expected, rel=1e-10)


def test_coinciding_rows_have_a_distance():
    assert between(np.ones((4, 2)), np.ones((5, 2))).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("generated", "real", "sentence"),
    [
        (np.zeros((2, 3)), np.zeros((5, 3)), "at least 3 rows on each side and got 2"),
        (np.zeros((5, 3)), np.zeros((5, 4)), "3 columns on one side and 4"),
        (np.zeros((5, 3)), np.full((5, 3), np.inf), "not finite"),
    ],
)
def test_features_without_a_distance_are_refused(generated, real, sentence):
    with pytest.raises(InputError, match=sentence):
        kernel_distance.between(generated, real)
