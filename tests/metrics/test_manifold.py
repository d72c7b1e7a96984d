"""Precision, recall, density and coverage beside their definitions, pair by pair."""

import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.metrics import manifold
from ganntk.metrics.manifold import Manifold, between, contacts, init, merge, merge_contacts, update


def features(seed: int, rows: int, width: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, width))


def by_definition(generated: np.ndarray, real: np.ndarray, k: int) -> Manifold:
    def radius(rows: np.ndarray, i: int) -> float:
        others = np.linalg.norm(np.delete(rows, i, 0) - rows[i], axis=1)
        return float(np.sort(others)[k - 1])

    of_real = [radius(real, i) for i in range(len(real))]
    of_generated = [radius(generated, j) for j in range(len(generated))]
    gaps = [[float(np.linalg.norm(z - x)) for x in real] for z in generated]
    inside = np.array([[gap < of_real[i] for i, gap in enumerate(row)] for row in gaps])
    around = np.array([[gap < of_generated[j] for gap in row] for j, row in enumerate(gaps)])
    return Manifold(
        inside.any(axis=1).mean(),
        around.any(axis=0).mean(),
        inside.sum() / (k * len(generated)),
        inside.any(axis=0).mean(),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_numbers_are_those_of_the_definitions(k):
    generated, real = 0.7 * features(0, 25) + 0.4, features(1, 33)
    np.testing.assert_allclose(between(generated, real, k=k), by_definition(generated, real, k))


@pytest.mark.parametrize(
    ("k", "recorded"),
    [
        (3, (0.92, 0.7272727272727273, 1.0133333333333332, 0.7878787878787878)),
        (5, (1.0, 0.8484848484848485, 1.1039999999999999, 0.9393939393939394)),
    ],
)
def test_numbers_are_those_of_the_authors_of_density_and_coverage(k, recorded):
    """By `compute_prdc` of prdc 0.2."""
    generated, real = 0.7 * features(0, 25) + 0.4, features(1, 33)
    np.testing.assert_allclose(between(generated, real, k=k), recorded, rtol=1e-12)


def test_one_distribution_is_precise_and_covered():
    found = between(features(2, 400), features(3, 400))
    # Two samples of one distribution: density has mean 1, coverage 1 - (1/2)^k and more.
    assert found.precision > 0.85
    assert found.recall > 0.85
    assert found.density == pytest.approx(1, abs=0.15)
    assert found.coverage == pytest.approx(1 - 0.5**5, abs=0.04)


def test_a_collapsed_generator_is_precise_and_recalls_nothing():
    real = features(4, 200)
    collapsed = real[:1] + 1e-3 * features(5, 100)
    found = between(collapsed, real)
    assert found.precision == 1
    assert found.recall < 0.02
    assert found.coverage < 0.1


def test_rows_far_away_are_in_no_ball():
    assert between(100 + features(6, 20), features(7, 20)) == Manifold(0, 0, 0, 0)


@pytest.mark.parametrize("cuts", [(1, 3), (10, 20), (2, 29)])
def test_shards_merge_to_the_whole(cuts):
    rows = features(8, 30)
    whole = update(init(4), rows)
    first, second, third = (update(init(4), part) for part in np.split(rows, cuts))
    for merged in (merge(first, merge(second, third)), merge(merge(first, second), third)):
        np.testing.assert_array_equal(merged.rows, rows)
        np.testing.assert_allclose(merged.radii, whole.radii, rtol=1e-12)


def test_shares_of_the_generated_rows_merge_to_the_whole():
    generated, real = update(init(4), features(9, 23)), update(init(4), features(10, 31))
    whole = contacts(generated, real)
    shares = [contacts(generated, real, rows=part) for part in (slice(0, 4), slice(4, 23))]
    merged = merge_contacts(*shares)
    assert manifold.compute(merged) == manifold.compute(whole)


def test_the_memory_bound_changes_nothing():
    one, other = features(11, 40), features(12, 30)
    results = []
    for memory in (1, 1 << 27):
        sides = [update(init(4), side, memory_bytes=memory) for side in (one, other)]
        results.append(manifold.compute(contacts(*sides, memory_bytes=memory)))
    np.testing.assert_allclose(results[0], results[1])


def test_float32_features_are_measured_in_float64():
    # Far from the origin the products of float32 would lose the distances.
    generated, real = (1e3 + features(s, 20) for s in (13, 14))
    single = [side.astype(np.float32) for side in (generated, real)]
    expected = by_definition(*(side.astype(np.float64) for side in single), 3)
    np.testing.assert_allclose(between(*single, k=3), expected)


def test_coinciding_rows_have_empty_balls():
    # A ball of radius zero holds nothing, so repeats of one row are no region.
    assert between(np.ones((8, 2)), features(15, 10, 2), k=2).recall == 0


@pytest.mark.parametrize(
    ("generated", "real", "sentence"),
    [
        (np.zeros((5, 3)), np.zeros((9, 3)), "5 neighbours needs at least 6 rows .* got 5"),
        (np.zeros((9, 3)), np.zeros((9, 4)), "3 columns on one side and 4"),
        (np.full((9, 3), np.nan), np.zeros((9, 3)), "not finite"),
    ],
)
def test_features_without_a_region_are_refused(generated, real, sentence):
    with pytest.raises(InputError, match=sentence):
        between(generated, real)
