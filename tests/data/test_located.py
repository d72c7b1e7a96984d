"""A data source in one word of a command line."""

import gzip
import struct

import numpy as np
import pytest

from ganntk.data import Mixture
from ganntk.data.array import SavedArray
from ganntk.data.digits import Digits
from ganntk.data.idx import Idx
from ganntk.data.located import source_of
from ganntk.errors import InputError


def test_a_name_is_a_source_without_options():
    assert source_of("digits") == Digits()


def test_a_mapping_is_a_source_of_the_configuration():
    found = source_of("{type: mixture, size: 30, modes: 8}")
    assert found == Mixture(size=30, modes=8)


@pytest.mark.parametrize("name", ["rows.npy", "s3://bucket/rows.npz"])
def test_arrays_are_known_by_their_name(name):
    assert source_of(name) == SavedArray(uri=name)


def test_idx_images_find_the_labels_beside_them(tmp_path):
    images = struct.pack(">4B3I", 0, 0, 8, 3, 3, 4, 4) + bytes(range(48))
    labels = struct.pack(">4BI", 0, 0, 8, 1, 3) + bytes([7, 8, 9])
    uri = tmp_path / "some-images-idx3-ubyte.gz"
    uri.write_bytes(gzip.compress(images))
    assert source_of(str(uri)).load().labels is None
    (tmp_path / "some-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    found = source_of(str(uri)).load()
    # Rows are shuffled; the first pixel tells which image it was.
    order = (found.rows[:, 0, 0, 0] * 255 / 16).round().astype(int)
    np.testing.assert_array_equal(found.labels, np.array([7, 8, 9])[order])


def test_idx_files_of_another_name_have_no_labels_beside_them():
    assert source_of("some/train.idx") == Idx(uri="some/train.idx")


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("photo.jpg", "format of photo.jpg cannot be told"),
        ("some/folder", "format of some/folder cannot be told"),
        ("digit", "digits"),
        ("{type: digits, sise: 3}", "has no sise: choose among"),
        ("{size: 3}", "has no type"),
        ("{type: digits", "is no mapping"),
        ("{type: [digits]}", "has no type"),
    ],
)
def test_words_that_name_no_source_are_refused(word, sentence):
    with pytest.raises(InputError, match=sentence):
        source_of(word)
