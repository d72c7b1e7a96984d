import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.metrics import mode_statistics

CENTRES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


def test_points_are_counted_at_their_modes():
    points = np.array([[0.1, 0.0], [0.0, 0.2], [1.0, 0.0], [0.5, 0.5]])
    statistics = mode_statistics(points, CENTRES, 0.1)
    assert statistics.modes_hit == 2
    assert statistics.within == 0.75
    assert statistics.counts.tolist() == [2, 1, 0]


def test_the_reach_is_three_deviations_and_not_more():
    for distance, within in ((0.2999, 1.0), (0.3001, 0.0)):
        points = np.array([[distance, 0.0]])
        assert mode_statistics(points, CENTRES, 0.1).within == within


def test_gaussian_points_lie_within_as_often_as_theory_says():
    noise = np.random.default_rng(0).standard_normal((100_000, 2))
    within = mode_statistics(CENTRES[0] + 0.01 * noise, CENTRES, 0.01).within
    # In two dimensions P(r < 3 std) = 1 - exp(-9/2); the sample knows it to 3.3e-4.
    assert within == pytest.approx(1 - np.exp(-4.5), abs=1.5e-3)


@pytest.mark.parametrize(
    ("points", "centres", "std"),
    [
        (np.zeros((0, 2)), CENTRES, 0.1),
        (np.zeros((3, 3)), CENTRES, 0.1),
        (np.zeros(2), CENTRES, 0.1),
        (np.zeros((3, 2)), CENTRES, 0.0),
        (np.zeros((3, 2)), CENTRES, float("nan")),
    ],
)
def test_statistics_without_a_meaning_are_refused(points, centres, std):
    with pytest.raises(InputError):
        mode_statistics(points, centres, std)
