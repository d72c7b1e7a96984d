import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ganntk import storage
from ganntk.data.idx import Idx, parse_idx
from ganntk.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
MNIST = Path(os.environ.get("GANNTK_DATA", ROOT.parent / "shared" / "data")) / "mnist"
needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="needs the MNIST files")

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


def idx_bytes(array: np.ndarray) -> bytes:
    axes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + axes + array.tobytes()


any_array = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5))


@given(array=any_array, is_compressed=st.booleans())
def test_an_array_comes_back_from_its_file(array, is_compressed):
    content = idx_bytes(array)
    parsed = parse_idx(gzip.compress(content, mtime=0) if is_compressed else content, name="x")
    assert parsed.shape == array.shape
    np.testing.assert_array_equal(parsed, array)


@given(array=any_array, is_compressed=st.booleans(), data=st.data())
def test_a_file_cut_off_anywhere_is_refused(array, is_compressed, data):
    content = idx_bytes(array)
    content = gzip.compress(content, mtime=0) if is_compressed else content
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(InputError, match="the file"):
        parse_idx(content[:cut], name="the file")


some_bytes = st.binary(max_size=64)
begun = st.builds(
    lambda count, tail: bytes([0, 0, 8, 1, 0, 0, 0, count]) + tail,
    st.integers(0, 8),
    st.binary(max_size=9),
)


@given(st.one_of(some_bytes, begun))
@example(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
def test_any_bytes_are_an_array_or_one_sentence(content):
    try:
        parsed = parse_idx(content, name="x")
    except InputError:
        return
    assert idx_bytes(parsed) == content


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG\r\n\x1a\n", "not an IDX file .it begins '89 50 4e 47'"),
        (bytes([0, 0, 13, 1, 0, 0, 0, 0]), "holds float32, and unsigned bytes"),
        (bytes([0, 0, 8, 0]), "ends inside its header"),
        (idx_bytes(IMAGES)[:10], "ends inside its header"),
        (idx_bytes(IMAGES)[:-1], r"has 59 bytes behind its header.*\(3, 4, 5\) needs 60"),
        (idx_bytes(IMAGES) + b"x", "has 61 bytes"),
        (bytes([0, 0, 8, 4]) + b"\xff" * 16, "has 0 bytes"),
        (gzip.compress(idx_bytes(IMAGES), mtime=0)[:-9], "damaged gzip"),
        (b"\x1f\x8bnothing of the sort", "damaged gzip"),
    ],
)
def test_a_wrong_file_is_refused_in_one_sentence(content, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        parse_idx(content, name="x")
    assert "\n" not in str(caught.value)


def source(**options) -> Idx:
    storage.write_bytes("memory://idx/images.gz", gzip.compress(idx_bytes(IMAGES), mtime=0))
    storage.write_bytes("memory://idx/labels", idx_bytes(np.array([4, 4, 9], np.uint8)))
    storage.write_bytes("memory://idx/two-labels", idx_bytes(np.array([4, 9], np.uint8)))
    return Idx(**{"uri": "memory://idx/images.gz", **options})


def test_images_are_divided_by_255_and_keep_their_labels():
    data = source(labels_uri="memory://idx/labels").load()
    assert data.rows.shape == (3, 4, 5, 1)
    assert data.labels is not None
    order = np.argsort(data.rows[:, 0, 0, 0])
    np.testing.assert_array_equal(np.rint(data.rows[order, ..., 0] * 255), IMAGES)
    assert data.labels[order].tolist() == [4, 4, 9]


def test_colour_images_keep_their_channels():
    colour = np.zeros((3, 4, 5, 3), np.uint8)
    storage.write_bytes("memory://idx/colour", idx_bytes(colour))
    assert Idx(uri="memory://idx/colour").load().rows.shape == (3, 4, 5, 3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"uri": None}, "has no uri"),
        ({"uri": "memory://idx/nothing"}, "no file at memory://idx/nothing: check the path"),
        ({"uri": "memory://idx/labels"}, "has 1 axes, and images have 3 or 4"),
        ({"labels_uri": "memory://idx/images.gz"}, "has 3 axes, and labels have 1"),
        ({"labels_uri": "memory://idx/two-labels"}, r"have shape \(2,\)"),
        ({"classes": (4,)}, "the data has no labels"),
        ({"labels_uri": "memory://idx/labels", "classes": (5,)}, "choose among 4, 9"),
        ({"size": 4}, "4 rows were asked for and there are 3"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(options, sentence):
    with pytest.raises(InputError, match=sentence):
        source(**options).load()


@needs_mnist
def test_mnist_gives_digits_of_the_classes_asked_for():
    data = Idx(
        uri=str(MNIST / "train-images-idx3-ubyte.gz"),
        labels_uri=str(MNIST / "train-labels-idx1-ubyte.gz"),
        size=64,
        classes=(3, 8),
    ).load()
    assert data.rows.shape == (64, 28, 28, 1)
    assert data.rows.max() == 1
    assert data.labels is not None
    assert set(data.labels.tolist()) == {3, 8}
    assert data.name == "train-images-idx3-ubyte"


@needs_mnist
def test_mnist_has_the_published_brightness():
    rows = Idx(uri=str(MNIST / "train-images-idx3-ubyte.gz")).load().rows
    # Mean 0.1307 and deviation 0.3081 are those of all 60,000; a part differs in the third digit.
    assert rows.mean() == pytest.approx(0.1307, abs=2e-3)
    assert rows.std() == pytest.approx(0.3081, abs=2e-3)
