"""What every extractor owes, and what each refuses."""

import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.features import open_extractor
from ganntk.features.inception import WEIGHTS


def images(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *shape)).astype(np.float32)


def test_pixels_are_the_rows_flattened():
    rows = images(3, 4, 5, 3)
    np.testing.assert_array_equal(open_extractor("pixels").extract(rows), rows.reshape(3, 60))


def test_pixels_of_large_images_are_means_of_blocks():
    rows = images(3, 64, 65, 3)
    found = open_extractor("pixels").extract(rows).reshape(3, 16, 16, 3)
    np.testing.assert_allclose(found[1, 2, 5], rows[1, 8:12, 20:24].mean(axis=(0, 1)), rtol=1e-5)


@pytest.mark.parametrize("shape", [(28, 28, 1), (9, 7, 3), (64, 64, 3), (1, 1, 1)])
def test_random_convolutions_give_320_finite_numbers_for_images_of_any_size(shape):
    found = open_extractor("random").extract(images(3, *shape))
    assert found.shape == (3, 320)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_features_of_a_row_do_not_depend_on_the_others():
    rows = images(300, 8, 8, 1)
    extractor = open_extractor("random")
    whole = extractor.extract(rows)
    # 300 rows go in two blocks, the second one filled up.
    np.testing.assert_allclose(whole[290:], extractor.extract(rows[290:]), rtol=1e-4, atol=1e-6)


def test_a_seed_means_the_same_features_again_and_another_seed_others():
    rows = images(4, 8, 8, 1)
    first, again, other = (
        open_extractor(uri).extract(rows) for uri in ("random", "random:0", "random:1")
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_random_features_of_a_known_image_are_those_of_every_version():
    row = np.linspace(0, 1, 64, dtype=np.float32).reshape(1, 8, 8, 1)
    found = open_extractor("random").extract(row)[0]
    # Recorded once: a change of the recipe changes what earlier numbers meant.
    recorded = [0.13771933, 0.49110308, 0.20431063, 0.13226715, 0.08775314]
    np.testing.assert_allclose(found[[0, 1, 2, 40, 319]], recorded, rtol=1e-4)


@pytest.mark.parametrize("uri", ["random", "inception:none"])
def test_points_of_the_plane_are_no_images(uri):
    with pytest.raises(InputError, match="use --features pixels"):
        open_extractor(uri).extract(np.zeros((4, 2), np.float32))


def test_a_seed_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="write random:3"):
        open_extractor("random:x").extract(images(2, 8, 8, 1))


def test_an_unknown_extractor_is_named_with_its_neighbours():
    with pytest.raises(InputError, match="pixels"):
        open_extractor("pixel")


@pytest.mark.parametrize("uri", ["inception", "inception:/nowhere/weights.pth"])
def test_missing_weights_are_named_with_where_to_get_them_and_what_else_there_is(uri):
    with pytest.raises(InputError) as caught:
        open_extractor(uri).extract(images(2, 8, 8, 3))
    sentence = str(caught.value)
    assert WEIGHTS in sentence
    assert "torch-fidelity" in sentence
    assert "random or classifier:IMAGES" in sentence
    assert "no FID" in sentence
