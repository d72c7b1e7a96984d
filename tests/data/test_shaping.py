import numpy as np
import pytest
from PIL import Image

from ganntk.data.shaping import Shaped, stacked
from ganntk.errors import InputError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
NUMBERS = (COLOUR / 255).astype(np.float32)


def test_nothing_asked_changes_nothing():
    assert Shaped().shaped(COLOUR, "x") is COLOUR


@pytest.mark.parametrize(
    ("crop", "expected"),
    [
        ("square", COLOUR[:, 5:25]),
        ("10x4", COLOUR[8:12, 10:20]),
        ("10x4+3+15", COLOUR[15:19, 3:13]),
        ("30x20", COLOUR),
    ],
)
def test_a_crop_is_a_part_of_the_image(crop, expected):
    np.testing.assert_array_equal(Shaped(crop=crop).shaped(COLOUR, "x"), expected)


@pytest.mark.parametrize("crop", ["31x20", "30x21", "10x10+21+0", "10x10+0+11", "0x5"])
def test_a_crop_that_leaves_the_image_is_refused(crop):
    with pytest.raises(InputError, match="leaves x, which has 30 x 20 pixels"):
        Shaped(crop=crop).shaped(COLOUR, "x")


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_box_averages_areas(kind):
    image = COLOUR if kind == np.uint8 else NUMBERS
    found = Shaped(crop="20x20+0+0", side=5, resample="box").shaped(image, "x")
    mean = image[:, :20].reshape(5, 4, 5, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(found, mean, atol=1.01 if kind == np.uint8 else 1e-6)


@pytest.mark.parametrize("resample", ["box", "bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("image", [COLOUR, NUMBERS], ids=["bytes", "numbers"])
def test_a_reduction_does_not_alias(resample, image):
    # Stripes of one pixel: without a wide filter a tenth of the size is stripes or one colour.
    stripes = np.zeros((100, 100, 1), image.dtype)
    stripes[:, ::2] = 255 if image.dtype == np.uint8 else 1
    found = Shaped(side=9, resample=resample).shaped(stripes, "x") / stripes.max()
    np.testing.assert_allclose(found[2:-2, 2:-2], 0.5, atol=0.06)


def test_bytes_and_numbers_are_resized_alike():
    for resample in ("box", "bilinear", "bicubic", "lanczos"):
        shape = Shaped(side=7, resample=resample)
        numbers = shape.shaped(NUMBERS, "x")
        assert numbers.min() >= 0
        assert numbers.max() <= 1
        np.testing.assert_allclose(shape.shaped(COLOUR, "x") / 255, numbers, atol=1.01 / 255)


def test_bytes_are_resized_as_pillow_does():
    found = Shaped(side=12, resample="lanczos").shaped(COLOUR, "x")
    known = Image.fromarray(COLOUR).resize((12, 12), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(found, np.asarray(known))


def test_grey_weighs_the_colours_as_itu_601():
    luma = NUMBERS @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(Shaped(colour="grey").shaped(NUMBERS, "x")[..., 0], luma, atol=1e-6)
    grey = Shaped(colour="grey").shaped(COLOUR, "x")
    np.testing.assert_allclose(grey[..., 0] / 255, luma, atol=1 / 255)


def test_grey_images_get_three_equal_channels():
    found = Shaped(colour="rgb").shaped(COLOUR[..., 0], "x")
    np.testing.assert_array_equal(found, COLOUR[..., :1].repeat(3, axis=2))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"side": 0}, "side is 0: expected 1 to"),
        ({"side": 10**6}, "side is 1000000"),
        ({"crop": "middle"}, "crop is 'middle': choose none, square, WxH"),
        ({"resample": "nearest"}, "choose box, bilinear"),
        ({"colour": "blue"}, "choose as_is, grey or rgb"),
    ],
)
def test_a_shape_that_cannot_be_is_refused(options, sentence):
    with pytest.raises(InputError, match=sentence):
        Shaped(**options)


def test_points_have_no_side():
    with pytest.raises(InputError, match=r"has shape \(2,\) and is no image"):
        Shaped(side=4).shaped(np.zeros(2), "x")


def test_many_channels_have_no_colour():
    with pytest.raises(InputError, match="has 5 channels"):
        Shaped(colour="rgb").shaped(np.zeros((4, 4, 5), np.float32), "x")


def test_mixed_sizes_are_named_with_the_way_out():
    with pytest.raises(InputError, match=r"a is 30 x 20, b is 20 x 20.*give side"):
        stacked([COLOUR, COLOUR[:, :20]], ["a", "b"])


def test_grey_among_colours_is_named_with_the_way_out():
    with pytest.raises(InputError, match=r"a has 3 channels, b has 1.*give colour"):
        stacked([COLOUR, COLOUR[..., :1]], ["a", "b"])


def test_bytes_among_numbers_become_numbers():
    found = stacked([COLOUR, NUMBERS], ["a", "b"])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
