"""Which modes of a known mixture the points reach. Layer 2."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from ganntk.errors import InputError

_REACH = 3.0


class ModeCounts(NamedTuple):
    """How many points lie where: it adds up over shards.

    Attributes:
        points: all points.
        within: those within three standard deviations of a centre.
        counts: points within three standard deviations of each centre.
    """

    points: int
    within: int
    counts: Int64[np.ndarray, " modes"]


class ModeStatistics(NamedTuple):
    """How points lie about the modes of a mixture.

    Attributes:
        modes_hit: how many modes have a point within three standard deviations.
        within: share of the points within three standard deviations of their nearest centre.
        counts: points within three standard deviations of each centre.
    """

    modes_hit: int
    within: float
    counts: Int64[np.ndarray, " modes"]


def init(modes: int) -> ModeCounts:
    """The counts of no points about `modes` centres."""
    return ModeCounts(0, 0, np.zeros(modes, np.int64))


def update(
    state: ModeCounts,
    points: Float[np.ndarray, "rows d"],
    centres: Float[np.ndarray, "modes d"],
    std: float,
) -> ModeCounts:
    """The counts with more points.

    Args:
        state: of the same centres.
        points: at least one point.
        centres: the means of the components.
        std: their common standard deviation in each coordinate, positive.

    Raises:
        InputError: the shapes do not fit, or the standard deviation is not positive.
    """
    shapes = (points.shape, centres.shape)
    if any(len(shape) != 2 or 0 in shape for shape in shapes) or shapes[0][1] != shapes[1][1]:
        raise InputError(
            f"points of shape {shapes[0]} and centres of shape {shapes[1]} cannot be compared: "
            "give (n, d) and (modes, d)"
        )
    if not std > 0:
        raise InputError(f"the standard deviation is {std}: give a positive number")
    gaps = np.asarray(points, np.float64)[:, None] - np.asarray(centres, np.float64)
    is_within = np.linalg.norm(gaps, axis=2) <= _REACH * std
    seen = ModeCounts(len(points), int(is_within.any(axis=1).sum()), is_within.sum(axis=0))
    return merge(state, seen)


def merge(one: ModeCounts, other: ModeCounts) -> ModeCounts:
    """The counts of the points of two shards."""
    return ModeCounts(
        one.points + other.points, one.within + other.within, one.counts + other.counts
    )


def compute(state: ModeCounts) -> ModeStatistics:
    """The statistics of all points counted; a share of no points is NaN."""
    within = state.within / state.points if state.points else float("nan")
    return ModeStatistics(int((state.counts > 0).sum()), within, state.counts)


def mode_statistics(
    points: Float[np.ndarray, "rows d"], centres: Float[np.ndarray, "modes d"], std: float
) -> ModeStatistics:
    r"""Count the points within $3\sigma$ of the centres of a mixture.

    Args:
        points: at least one point.
        centres: the means of the components.
        std: their common standard deviation in each coordinate, positive.

    Raises:
        InputError: the shapes do not fit, or the standard deviation is not positive.

    Example:
        >>> mode_statistics(np.array([[0.1, 0.0]]), np.array([[0.0, 0.0], [1.0, 1.0]]), 0.05)
        ModeStatistics(modes_hit=1, within=1.0, counts=array([1, 0]))
    """
    return compute(update(init(len(centres)), points, centres, std))
