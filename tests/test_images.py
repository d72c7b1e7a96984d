import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ganntk import images
from ganntk.errors import InputError

RNG = np.random.default_rng(0)


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


@given(
    count=st.integers(1, 12),
    columns=st.integers(1, 6),
    pad=st.integers(0, 3),
    scale=st.integers(1, 3),
    channels=st.sampled_from([1, 3]),
)
def test_every_image_stands_in_its_cell(count, columns, pad, scale, channels):
    rows = RNG.integers(0, 256, (count, 4, 5, channels)).astype(np.uint8)
    picture = images.grid(rows / 255, columns=columns, pad=pad, scale=scale)
    for number, row in enumerate(rows):
        line, column = divmod(number, columns)
        y, x = pad + line * (4 * scale + pad), pad + column * (5 * scale + pad)
        cell = picture[y : y + 4 * scale : scale, x : x + 5 * scale : scale]
        np.testing.assert_array_equal(cell, row)


def test_empty_cells_and_lines_are_white():
    picture = images.grid(np.zeros((3, 2, 2, 1)), columns=2)
    assert picture.shape == (7, 7, 1)
    assert (picture[[0, 3, 6]] == 255).all()
    assert (picture[:, [0, 3, 6]] == 255).all()
    assert (picture[4:6, 4:6] == 255).all()
    assert (picture[1:3, 1:3] == 0).all()


def test_a_grid_is_about_square():
    assert images.grid(np.zeros((64, 8, 8, 1)), pad=0).shape == (64, 64, 1)


def test_one_pixel_becomes_a_square():
    picture = images.grid(np.array([0.0, 1.0]).reshape(1, 1, 2, 1), pad=0, scale=3)
    assert (picture[:, :3] == 0).all()
    assert (picture[:, 3:] == 255).all()


def test_values_out_of_range_are_clipped():
    picture = images.grid(np.array([-0.5, 1.5]).reshape(1, 1, 2, 1), pad=0)
    assert picture.ravel().tolist() == [0, 255]


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (np.zeros((0, 4, 4, 1)), {}),
        (np.zeros((4, 4, 4)), {}),
        (np.full((2, 4, 4, 1), np.nan), {}),
        (np.zeros((2, 4, 4, 1)), {"columns": 0}),
        (np.zeros((2, 4, 4, 1)), {"pad": -1}),
        (np.zeros((2, 4, 4, 1)), {"scale": 0}),
    ],
)
def test_a_grid_that_cannot_be_drawn_is_refused(rows, options):
    with pytest.raises(InputError):
        images.grid(rows, **options)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_keeps_every_pixel(channels):
    picture = RNG.integers(0, 256, (7, 9, channels)).astype(np.uint8)
    np.testing.assert_array_equal(decoded(images.to_png(picture)).reshape(picture.shape), picture)


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4, 1)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8)]
)
def test_what_is_no_picture_is_no_png(picture):
    with pytest.raises(InputError, match="is no PNG"):
        images.to_png(picture)


def test_a_point_is_drawn_where_it_lies_with_y_upwards():
    picture = images.scatter(np.array([[0.25, 0.75]]), size=200)
    assert picture.shape == (200, 200, 3)
    y, x = np.argwhere((picture != 255).any(axis=2)).mean(axis=0)
    # The dot's own radius is kept free at the border: 3 of 200 pixels.
    assert (x, y) == pytest.approx((50.5, 50.5), abs=2)


def test_points_on_the_border_are_drawn_whole():
    inner, corner = (
        (images.scatter(np.array([point]), size=100) != 255).any(axis=2).sum()
        for point in ([0.5, 0.5], [1.0, 0.0])
    )
    assert corner >= 0.8 * inner


def test_the_reference_is_grey_and_lies_behind():
    point = np.array([[0.5, 0.5]])
    behind = images.scatter(np.zeros((0, 2)), point, size=100)
    assert np.ptp(behind.astype(int), axis=2).max() == 0
    assert behind.min() < 255
    np.testing.assert_array_equal(
        images.scatter(point, point, size=100)[50, 50], images.scatter(point, size=100)[50, 50]
    )


@pytest.mark.parametrize("points", [np.zeros((3, 3)), np.zeros(2), np.array([[0.1, np.inf]])])
def test_what_is_no_plane_point_is_not_scattered(points):
    with pytest.raises(InputError):
        images.scatter(points)


def test_a_picture_without_room_is_refused():
    with pytest.raises(InputError):
        images.scatter(np.zeros((1, 2)), size=0)


@pytest.mark.parametrize(
    "shape",
    [
        (64, 8, 8, 1),
        (64, 28, 28, 1),
        (2, 8, 8, 3),
        (9, 16, 16, 5),
        (1, 128, 128, 3),
        (50, 2),
        (9, 7),
    ],
)
def test_every_kind_of_row_becomes_a_readable_png(shape):
    picture = images.picture_of(RNG.random(shape))
    assert picture.dtype == np.uint8
    assert 480 <= picture.shape[1] < 1100
    assert decoded(images.to_png(picture)).shape[:2] == picture.shape[:2]


def test_only_the_first_images_are_shown():
    rows = RNG.random((30, 8, 8, 1))
    np.testing.assert_array_equal(images.picture_of(rows, limit=9), images.picture_of(rows[:9]))


def test_mixture_points_are_drawn_over_the_real_ones():
    points, real = RNG.random((2, 20, 2))
    np.testing.assert_array_equal(images.picture_of(points, real), images.scatter(points, real))
