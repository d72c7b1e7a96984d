"""The Fréchet distance beside the published formula, with scipy's square root of a matrix."""

import numpy as np
import pytest
from scipy import linalg

from ganntk.errors import InputError
from ganntk.metrics import frechet


def features(seed: int, rows: int, width: int) -> np.ndarray:
    draws = np.random.default_rng(seed)
    return draws.standard_normal((rows, width)) @ draws.standard_normal((width, width))


def by_formula(one: np.ndarray, other: np.ndarray) -> float:
    c1, c2 = (np.cov(side, rowvar=False) for side in (one, other))
    gap = one.mean(axis=0) - other.mean(axis=0)
    root = linalg.sqrtm(c1 @ c2)
    return float(gap @ gap + np.trace(c1) + np.trace(c2) - 2 * np.trace(np.real(root)))


@pytest.mark.parametrize(("rows", "others", "width"), [(200, 300, 8), (500, 400, 40)])
def test_distance_is_that_of_scipys_formula(rows, others, width):
    one, other = features(0, rows, width), 1.5 + features(1, others, width)
    assert frechet.between(one, other) == pytest.approx(by_formula(one, other), rel=1e-6)


def test_singular_covariances_have_the_distance_of_their_subspace():
    # 12 directions of 50 are filled: in those the formula is regular.
    basis, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((50, 12)))
    one, other = features(1, 200, 12), features(2, 100, 12)
    expected = by_formula(one, other)
    assert frechet.between(one @ basis.T, other @ basis.T) == pytest.approx(expected, rel=1e-6)


def test_fewer_rows_than_features_have_the_limit_of_a_vanishing_regulariser():
    one, other = features(3, 9, 20), features(4, 12, 20)
    c1, c2 = (np.cov(side, rowvar=False) for side in (one, other))
    # tr (C1 C2)^(1/2) from the eigenvalues of the positive C1^(1/2) C2 C1^(1/2).
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ c2 @ root), 0)).sum()
    gap = one.mean(axis=0) - other.mean(axis=0)
    expected = gap @ gap + np.trace(c1) + np.trace(c2) - 2 * common
    # The reference takes roots of rounded zeros: sqrt(1e-16) times twenty of them.
    assert frechet.between(one, other) == pytest.approx(expected, rel=1e-6)


def test_equal_sets_are_at_distance_zero():
    one = features(5, 30, 64)
    assert frechet.between(one, one[::-1]) == pytest.approx(0, abs=1e-9 * np.trace(np.cov(one.T)))


def test_coinciding_rows_leave_the_gap_of_the_means():
    one, other = np.full((5, 3), 2.0), np.zeros((4, 3))
    assert frechet.between(one, other) == pytest.approx(12.0, rel=1e-12)


def test_a_constant_feature_changes_nothing():
    one, other = features(6, 40, 5), features(7, 50, 5)
    padded = [np.column_stack([side, np.full(len(side), 3.0)]) for side in (one, other)]
    assert frechet.between(*padded) == pytest.approx(frechet.between(one, other), rel=1e-10)


def test_shards_merge_to_the_whole_at_large_means():
    rows = 1e6 + features(8, 90, 6)
    whole = frechet.update(frechet.init(6), rows)
    merged = frechet.init(6)
    for part in (rows[:1], rows[1:40], rows[40:]):
        merged = frechet.merge(merged, frechet.update(frechet.init(6), part))
    assert merged.rows == 90
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-14)
    # Deviations of 1e6 + x are known to 1e-10 of x; a difference of moments would lose them all.
    np.testing.assert_allclose(merged.scatter, np.cov(rows.T) * 89, rtol=1e-8)


def test_float32_features_are_summed_in_float64():
    rows = (1000 + np.random.default_rng(9).random((100, 4))).astype(np.float32)
    other = (1000 + np.random.default_rng(10).random((100, 4))).astype(np.float32)
    expected = by_formula(rows.astype(np.float64), other.astype(np.float64))
    assert frechet.between(rows, other) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("generated", "real", "sentence"),
    [
        (np.zeros((0, 3)), np.zeros((5, 3)), "at least one row"),
        (np.zeros((1, 3)), np.zeros((5, 3)), "at least 2 rows on each side and got 1"),
        (np.zeros((5, 3)), np.zeros((5, 4)), "3 columns on one side and 4"),
        (np.full((5, 3), np.nan), np.zeros((5, 3)), "5 of 5 rows .* not finite"),
        (np.zeros(3), np.zeros((5, 3)), r"shape \(n, d\)"),
    ],
)
def test_features_without_a_distance_are_refused(generated, real, sentence):
    with pytest.raises(InputError, match=sentence):
        frechet.between(generated, real)
