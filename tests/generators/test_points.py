"""The generated rows' start and range."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.generators import Points

KEY = jax.random.key(3)


@pytest.mark.parametrize("start", ["uniform", "normal"])
def test_a_row_depends_on_its_index_and_not_on_how_many_there_are(start):
    few, many = (Points(start=start).init(KEY, count, (2, 3), jnp.float32) for count in (3, 9))
    np.testing.assert_array_equal(few, many[:3])
    assert len(np.unique(many)) > 40  # and rows differ


@pytest.mark.parametrize("start", ["uniform", "normal"])
def test_both_precisions_start_at_the_same_place(start):
    single = Points(start=start).init(KEY, 4, (5,), jnp.float32)
    with jax.enable_x64(True):
        double = Points(start=start).init(KEY, 4, (5,), jnp.float64)
        assert double.dtype == jnp.float64
    # Compiled twice, and a product and a sum may be one operation in one of them.
    np.testing.assert_allclose(np.asarray(single, np.float64), double, rtol=0, atol=1e-7)


def test_a_uniform_start_fills_the_range():
    points = np.asarray(Points(low=-1, high=3).init(KEY, 4000, (1,), jnp.float32))
    assert -1 <= points.min() < -0.99
    assert 2.99 < points.max() <= 3
    # Standard deviation width / sqrt(12); the mean of 4000 is known to 0.018.
    assert points.mean() == pytest.approx(1, abs=0.08)
    assert points.std() == pytest.approx(4 / np.sqrt(12), rel=0.03)


def test_a_normal_start_lies_about_the_middle_and_is_clipped():
    points = np.asarray(Points(start="normal").init(KEY, 4000, (1,), jnp.float32))
    assert points.min() == 0
    assert points.max() == 1
    # A quarter of the width; clipping two deviations out takes 4 % off it.
    assert points.mean() == pytest.approx(0.5, abs=0.02)
    assert points.std() == pytest.approx(0.24, rel=0.05)


def test_a_projection_is_the_nearest_point_of_the_range():
    found = Points(low=-1, high=2).project(jnp.array([-3.0, -1.0, 0.5, 2.0, 7.0]))
    np.testing.assert_array_equal(found, [-1, -1, 0.5, 2, 2])


@pytest.mark.parametrize("count", [0, -3])
def test_fewer_than_one_point_is_refused(count):
    with pytest.raises(InputError, match=f"points.count is {count}: expected at least 1"):
        Points(count=count)


@pytest.mark.parametrize("limits", [(1.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)])
def test_a_range_that_is_empty_is_refused(limits):
    with pytest.raises(InputError, match="expected low < high"):
        Points(low=limits[0], high=limits[1])


@pytest.mark.parametrize("limits", [(-float("inf"), float("inf")), (0.0, float("inf"))])
def test_a_range_that_is_infinite_is_refused(limits):
    with pytest.raises(InputError):
        Points(low=limits[0], high=limits[1])


def test_a_start_that_is_none_is_refused():
    with pytest.raises(InputError):
        Points(start="gauss")  # type: ignore[arg-type]
