import numpy as np
import pytest

from ganntk.data import Mixture, mixture_modes
from ganntk.errors import InputError


def test_eight_modes_are_a_ring_of_radius_two_fifths():
    centres, std = mixture_modes(8)
    assert std**2 == pytest.approx(0.002)
    assert centres.shape == (8, 2)
    np.testing.assert_allclose(np.linalg.norm(centres - 0.5, axis=1), 0.4)
    np.testing.assert_allclose(centres[1] - 0.5, 0.4 * np.sqrt([0.5, 0.5]))


def test_twenty_five_modes_are_a_grid_with_gap_0_175():
    centres, std = mixture_modes(25)
    assert std**2 == pytest.approx(0.0005)
    assert len(np.unique(centres.round(9), axis=0)) == 25
    for axis in (0, 1):
        ticks = np.unique(centres[:, axis].round(9))
        np.testing.assert_allclose(ticks, [0.15, 0.325, 0.5, 0.675, 0.85])


@pytest.mark.parametrize("modes", [8, 25])
def test_points_have_the_moments_of_their_mode(modes):
    data = Mixture(modes=modes, size=40_000).load()
    centres, std = mixture_modes(modes)
    assert data.labels is not None
    residual = data.rows - centres[data.labels]
    # 40,000 points: the mean is known to std / 200. Redrawing takes 2 % off the deviation of the
    # ring, whose outer modes lose their tails.
    np.testing.assert_allclose(residual.mean(axis=0), 0, atol=5 * std / 200)
    np.testing.assert_allclose(residual.std(axis=0), std, rtol=0.03)


def test_modes_are_equally_likely():
    labels = Mixture(modes=25, size=25_000).load().labels
    assert labels is not None
    # Binomial: 1000 with deviation 31 for each mode.
    assert np.abs(np.bincount(labels, minlength=25) - 1000).max() < 150


@pytest.mark.parametrize("modes", [8, 25])
def test_every_point_lies_in_the_unit_square(modes):
    rows = Mixture(modes=modes, size=20_000).load().rows
    assert 0 <= rows.min() <= rows.max() <= 1


def test_points_outside_are_drawn_again_not_clipped():
    rows = Mixture(modes=8, size=20_000).load().rows
    assert ((rows > 0) & (rows < 1)).all()


@pytest.mark.parametrize(
    ("mixture", "sentence"),
    [
        (Mixture(modes=9), "a mixture of 9 modes was asked for: choose 8 or 25"),
        (Mixture(size=1), "at least two points"),
        (Mixture(seed=-1), "a seed that is not negative"),
    ],
)
def test_a_mixture_that_cannot_be_drawn_says_why(mixture, sentence):
    with pytest.raises(InputError, match=sentence):
        mixture.load()
