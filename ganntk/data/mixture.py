r"""Mixtures of Gaussians in the unit square, with 8 or 25 modes. Layer 2.

8 modes: centres $(0.5 + 0.4\cos a, 0.5 + 0.4\sin a)$ at multiples of 45 degrees, covariance
$0.002 I$. 25 modes: a 5 x 5 grid from 0.15 to 0.85, covariance $0.0005 I$.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ganntk.data.base import Dataset, Source, make_dataset
from ganntk.errors import InputError


class Modes(NamedTuple):
    """The components of a mixture: their centres and their common standard deviation."""

    centres: Float[np.ndarray, "modes 2"]
    std: float


@Source.register("mixture")
@dataclass(frozen=True)
class Mixture(Source):
    """Points of a mixture of equal Gaussians; the label of a point is its mode.

    Points that fall outside the unit square are drawn again: one in forty for 8 modes, none in
    practice for 25.

    Attributes:
        modes: 8 (a ring) or 25 (a grid).
        size: how many points, at least 2.
        seed: which points.
    """

    modes: int = 25
    size: int = 100
    seed: int = 0

    def load(self) -> Dataset:
        """Draw the points."""
        if self.size < 2 or self.seed < 0:
            raise InputError(
                f"a mixture of size {self.size} with seed {self.seed} was asked for: "
                "give at least two points and a seed that is not negative"
            )
        modes = mixture_modes(self.modes)
        rng = np.random.default_rng(self.seed)
        labels = rng.integers(len(modes.centres), size=self.size)
        points = modes.centres[labels] + modes.std * rng.standard_normal((self.size, 2))
        while (outside := ((points < 0) | (points > 1)).any(axis=1)).any():
            noise = rng.standard_normal((int(outside.sum()), 2))
            points[outside] = modes.centres[labels[outside]] + modes.std * noise
        return make_dataset(self, points, labels, name=f"mixture of {self.modes} modes")


def mixture_modes(modes: int) -> Modes:
    """Give the centres and the standard deviation of the mixture with 8 or 25 modes.

    Raises:
        InputError: another number of modes.

    Example:
        >>> mixture_modes(25).centres.shape
        (25, 2)
    """
    if modes == 8:
        angles = np.arange(8) * math.pi / 4
        circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return Modes(0.5 + 0.4 * circle, math.sqrt(0.002))
    if modes == 25:
        ticks = np.linspace(0.15, 0.85, 5)
        return Modes(np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(25, 2), math.sqrt(0.0005))
    raise InputError(f"a mixture of {modes} modes was asked for: choose 8 or 25")
