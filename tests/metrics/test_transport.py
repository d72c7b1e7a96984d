"""Transport beside an enumeration of assignments, scipy's one-dimensional formula, and itself."""

import itertools

import numpy as np
import pytest
from scipy import stats

from ganntk.errors import InputError
from ganntk.metrics import transport


def rows(seed: int, count: int, width: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).random((count, width))


def test_distance_is_the_best_of_all_assignments():
    one, other = rows(0, 6), rows(1, 6)
    costs = (
        np.square(one - other[list(order)]).sum() for order in itertools.permutations(range(6))
    )
    assert transport.between(one, other) == pytest.approx(min(costs) / 12, rel=1e-12)


def test_unequal_counts_have_the_distance_of_the_weighted_sets():
    one, other = rows(2, 4, 1), rows(3, 6, 1)
    # In one dimension sorted rows meet, each cut into equal shares.
    sides = [np.sort(np.repeat(side[:, 0], 12 // len(side))) for side in (one, other)]
    expected = np.square(sides[0] - sides[1]).mean() / 2
    assert transport.between(one, other) == pytest.approx(expected, rel=1e-12)


def test_one_dimension_bounds_the_first_wasserstein_distance():
    one, other = rows(4, 50, 1), rows(5, 50, 1)
    first = stats.wasserstein_distance(one[:, 0], other[:, 0])
    assert np.sqrt(2 * transport.between(one, other)) >= first


def test_a_shift_costs_half_its_square():
    one = rows(6, 30)
    assert transport.between(one, one + np.array([0.3, 0.4])) == pytest.approx(0.125, rel=1e-12)


def test_a_set_is_at_zero_from_itself_in_another_order():
    one = rows(7, 40)
    # Distances come from products, whose rounding is not taken for a negative cost.
    assert transport.between(one, one[::-1]) == pytest.approx(0, abs=1e-15)


def test_shards_merge_to_the_whole():
    one, other = rows(8, 20), rows(9, 20)
    parts = transport.merge(
        transport.update(transport.init(2), one[:7]), transport.update(transport.init(2), one[7:])
    )
    assert transport.compute(parts, other) == transport.between(one, other)


@pytest.mark.parametrize(
    ("one", "other", "sentence"),
    [
        (np.zeros((0, 2)), np.zeros((3, 2)), "at least one row"),
        (np.zeros((3, 2)), np.zeros((3, 3)), "2 columns on one side and 3"),
        (np.zeros((4999, 1)), np.zeros((4998, 1)), "give equal counts"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "not finite"),
    ],
)
def test_points_without_a_distance_are_refused(one, other, sentence):
    with pytest.raises(InputError, match=sentence):
        transport.between(one, other)


def test_sinkhorn_divergence_tends_to_the_exact_distance():
    pytest.importorskip("ott", reason="needs ott-jax, the extra ganntk[transport]")
    one, other = rows(10, 60), 0.4 + rows(11, 60)
    exact = 2 * transport.between(one, other)
    assert transport.sinkhorn_divergence(one, other, epsilon=1e-3) == pytest.approx(exact, rel=0.02)


def test_sinkhorn_divergence_of_a_set_and_itself_is_zero():
    pytest.importorskip("ott", reason="needs ott-jax, the extra ganntk[transport]")
    one = rows(12, 40)
    assert transport.sinkhorn_divergence(one, one) == pytest.approx(0, abs=1e-5)
