"""The best trade-offs of a sweep."""

import math

import pytest

from ganntk.distributed.sweep.front import LARGEST, Point, front_of

POINTS = [Point(3, 1), Point(1, 9), Point(2, 9), Point(2, 4), Point(math.nan, 0), Point(4, 2)]


def test_no_point_of_the_front_is_beaten_in_both():
    assert front_of(POINTS, "min") == [Point(1, 9), Point(2, 4), Point(3, 1)]


def test_larger_is_better_where_the_sweep_says_so():
    assert front_of(POINTS, "max") == [Point(4, 2), Point(3, 1)]


@pytest.mark.parametrize("points", [[], [Point(math.inf, 1), Point(math.nan, 1)]])
def test_trials_without_a_value_make_no_front(points):
    assert front_of(points, "min") == []


def test_a_front_has_at_most_so_many_points():
    many = [Point(i, 1000 - i) for i in range(100)]
    assert front_of(many, "min") == many[:LARGEST]
