import io

import numpy as np
import pytest

from ganntk import storage
from ganntk.data.array import SavedArray
from ganntk.errors import InputError

IMAGES = np.linspace(0, 1, 6 * 4 * 4).reshape(6, 4, 4, 1).astype(np.float32)
LABELS = np.arange(6) % 2


def saved(**arrays: np.ndarray) -> str:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    storage.write_bytes("memory://array/x.npz", stream.getvalue())
    return "memory://array/x.npz"


def saved_alone(array: np.ndarray) -> str:
    stream = io.BytesIO()
    np.save(stream, array)
    storage.write_bytes("memory://array/x.npy", stream.getvalue())
    return "memory://array/x.npy"


def by_brightness(rows: np.ndarray) -> np.ndarray:
    return rows[np.argsort(rows.reshape(len(rows), -1).mean(axis=1))]


def test_npy_rows_come_back():
    rows = SavedArray(uri=saved_alone(IMAGES)).load().rows
    np.testing.assert_array_equal(by_brightness(rows), IMAGES)


def test_npz_takes_images_among_others():
    rows = SavedArray(uri=saved(other=np.zeros(3), images=IMAGES)).load().rows
    np.testing.assert_array_equal(by_brightness(rows), IMAGES)


def test_npz_takes_the_only_array():
    assert SavedArray(uri=saved(x_train=IMAGES)).load().rows.shape == IMAGES.shape


def test_npz_takes_the_key_that_is_given():
    uri = saved(images=IMAGES, points=np.zeros((7, 2)))
    assert SavedArray(uri=uri, key="points").load().rows.shape == (7, 2)


def test_bytes_are_divided_by_255():
    rows = SavedArray(uri=saved_alone(np.full((2, 4, 4, 3), 51, np.uint8))).load().rows
    assert (rows == np.float32(51) / 255).all()


def test_grey_images_get_a_channel():
    assert SavedArray(uri=saved_alone(IMAGES[..., 0])).load().rows.shape == (6, 4, 4, 1)


def test_classes_are_filtered_by_the_labels():
    uri = saved(images=IMAGES, labels=LABELS)
    data = SavedArray(uri=uri, labels_key="labels", classes=(1,)).load()
    assert data.labels is not None
    assert data.labels.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(by_brightness(data.rows), IMAGES[1::2])


@pytest.mark.parametrize(
    ("arrays", "options", "sentence"),
    [
        ({"a": IMAGES, "b": IMAGES}, {}, "holds the arrays a, b: say with key"),
        ({"images": IMAGES}, {"key": "x"}, "holds no array 'x': choose among images"),
        ({"images": IMAGES}, {"labels_key": "y"}, "holds no array 'y': choose among images"),
        ({"images": IMAGES, "y": LABELS[:5]}, {"labels_key": "y"}, "one whole number for each"),
        ({"images": IMAGES}, {"classes": (1,)}, "the data has no labels"),
        ({"images": IMAGES * 255}, {}, "divide by 255"),
        ({"images": IMAGES[:1]}, {}, "one row only"),
        ({"images": np.float64(0.5)}, {}, "holds a single number"),
        ({"images": np.array([{}, []], object)}, {}, "save plain numbers with numpy.savez"),
        ({}, {}, r"holds the arrays \(none\)"),
    ],
)
def test_an_npz_that_cannot_be_used_says_why(arrays, options, sentence):
    with pytest.raises(InputError, match=sentence):
        SavedArray(uri=saved(**arrays), **options).load()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 no archive", b"\x93NUMPY\x01\x00"])
def test_a_file_of_another_kind_is_refused_in_one_sentence(content):
    storage.write_bytes("memory://array/broken.npz", content)
    with pytest.raises(InputError, match="is not a usable npz or npy file") as caught:
        SavedArray(uri="memory://array/broken.npz").load()
    assert "\n" not in str(caught.value)


def test_a_damaged_archive_is_refused():
    content = bytearray(storage.read_bytes(saved(images=IMAGES)))
    content[60:90] = bytes(30)
    storage.write_bytes("memory://array/damaged.npz", bytes(content))
    with pytest.raises(InputError, match="is not a usable npz or npy file"):
        SavedArray(uri="memory://array/damaged.npz").load()


def test_pickled_objects_are_never_loaded():
    with pytest.raises(InputError, match="allow_pickle"):
        SavedArray(uri=saved_alone(np.array([1, "a", None], object))).load()


def test_keys_are_refused_for_npy():
    with pytest.raises(InputError, match="npy file, so it has no array 'images'"):
        SavedArray(uri=saved_alone(IMAGES), key="images").load()


def test_a_missing_uri_is_refused():
    with pytest.raises(InputError, match="has no uri"):
        SavedArray().load()
