"""The best trade-offs of a sweep, between its measure and its time: a pure function. Layer 6."""

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple

LARGEST = 20
"""Points of a front that are shown: each is a few series."""


class Point(NamedTuple):
    """A trial.

    Attributes:
        value: of the measure that the sweep is after.
        seconds: that the trial took for it.
    """

    value: float
    seconds: float


def front_of(points: Iterable[Point], mode: Literal["min", "max"]) -> list[Point]:
    """The points that no other beats in value and time at once, the best value first.

    Args:
        points: of all trials; those whose value is not finite are left out.
        mode: whether a smaller or a larger value is better.

    Returns:
        At most `LARGEST` of them.

    Example:
        >>> front_of([Point(3, 1), Point(1, 9), Point(2, 9)], "min")
        [Point(value=1, seconds=9), Point(value=3, seconds=1)]
    """
    sign = 1 if mode == "min" else -1
    known = [point for point in points if math.isfinite(point.value)]
    front: list[Point] = []
    for point in sorted(known, key=lambda point: (sign * point.value, point.seconds)):
        if not front or point.seconds < front[-1].seconds:
            front.append(point)
    return front[:LARGEST]
