import collections
import io
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganntk import storage
from ganntk.data.cifar10 import Cifar10, read_batch
from ganntk.errors import InputError
from tests.data import real

CIFAR = "cifar-10-batches-py"
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
LABELS = [7, 0, 7, 1, 2, 7]


def batch(images: np.ndarray = IMAGES, labels: list[int] = LABELS, *, protocol: int = 2) -> bytes:
    """A batch as the authors' program wrote it."""
    flat = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    content = {b"batch_label": b"one", b"labels": labels, b"data": flat, b"filenames": []}
    return pickle.dumps(content, protocol=protocol)


class Command:
    """What a hostile pickle holds."""

    def __reduce__(self):
        return os.system, ("echo run > /dev/stderr",)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_images_and_labels_come_back(protocol):
    images, labels = read_batch(batch(protocol=protocol), name="x")
    np.testing.assert_array_equal(images, IMAGES)
    assert labels.tolist() == LABELS


def test_a_batch_of_python_2_is_read():
    # What cPickle of Python 2 writes: strings without an encoding, for keys and for the bytes.
    flat = IMAGES.transpose(0, 3, 1, 2).reshape(6, -1)
    raw = flat.tobytes()
    written = (
        b"\x80\x02}(U\x06labels](K\x07K\x00K\x07K\x01K\x02K\x07eU\x04data"
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01K\x06M\x00\x0c\x86cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + len(raw).to_bytes(4, "little")
        + raw
        + b"tbu."
    )
    images, labels = read_batch(written, name="x")
    np.testing.assert_array_equal(images, IMAGES)
    assert labels.tolist() == LABELS


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_wants_to_run_code_is_refused(protocol, capfd):
    content = pickle.dumps({"data": Command(), "labels": [1]}, protocol=protocol)
    with pytest.raises(InputError, match=r"the file asks to run \w+\.system, which no batch"):
        read_batch(content, name="the file")
    assert "run" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no usable pickle"),
        (b"hello", "is no usable pickle"),
        (batch()[:-400], "is no usable pickle"),
        (pickle.dumps([1, 2]), "holds a list, and a mapping was expected"),
        (pickle.dumps({"fine": 3}), r"has no data and labels \(it has fine\)"),
        (batch(labels=[1, 2]), "give one whole number for each of the 6 rows"),
        (pickle.dumps({"data": IMAGES, "labels": LABELS}, 2), r"shape \(6, 32, 32, 3\): expected"),
        (
            pickle.dumps({"data": np.zeros((6, 3072)), "labels": LABELS}, 2),
            "another type than unsigned bytes",
        ),
        (
            pickle.dumps({"data": collections.OrderedDict(), "labels": []}, 2),
            "asks to run collections.OrderedDict",
        ),
    ],
)
def test_a_file_that_is_no_batch_is_refused_in_one_sentence(content, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        read_batch(content, name="x")
    assert "\n" not in str(caught.value)


@given(st.data())
def test_a_damaged_batch_is_read_or_refused_in_one_sentence(data):
    content = bytearray(batch(IMAGES[:1], [3]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 400))] = data.draw(st.integers(0, 255))
    try:
        read_batch(bytes(content), name="x")
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017


def folder() -> str:
    storage.write_bytes("memory://cifar/data_batch_1", batch())
    storage.write_bytes("memory://cifar/data_batch_3", batch(IMAGES[:2], [1, 7]))
    names = pickle.dumps({"label_names": [f"class-{i}" for i in range(7)] + ["horse"]}, 2)
    storage.write_bytes("memory://cifar/batches.meta", names)
    return "memory://cifar"


def test_all_batches_that_are_there_are_one_set():
    found = Cifar10(uri=folder()).contents()
    assert found.count == 8
    assert found.class_names[7] == "horse"


@pytest.mark.parametrize("wanted", ["horse", 7])
def test_a_class_is_given_by_name_or_number(wanted):
    data = Cifar10(uri=folder(), classes=(wanted,)).load()
    assert data.labels is not None
    assert data.labels.tolist() == [7] * 4


def test_grey_and_small_images_are_made_of_them():
    assert Cifar10(uri=folder(), side=16, colour="grey").load().rows.shape == (8, 16, 16, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"uri": None}, "has no uri"),
        ({"uri": "memory://cifar-nothing"}, "holds none of data_batch_1"),
        ({"part": "test"}, "holds none of test_batch"),
        ({"classes": ("cat",)}, "there is no class 'cat': choose among class-0"),
        ({"classes": (5,)}, "no rows of the classes"),
    ],
)
def test_a_source_that_cannot_be_used_says_why(options, sentence):
    with pytest.raises(InputError, match=sentence):
        Cifar10(**{"uri": folder(), **options}).load()


def test_names_that_are_no_list_are_refused():
    storage.write_bytes("memory://cifar-names/data_batch_1", batch())
    storage.write_bytes("memory://cifar-names/batches.meta", pickle.dumps({"label_names": 3}, 2))
    with pytest.raises(InputError, match="has no list label_names"):
        Cifar10(uri="memory://cifar-names").load()


@real.needs(CIFAR)
def test_the_real_batches_are_counted_and_their_horses_are_label_7():
    found = Cifar10(uri=real.uri(CIFAR)).contents()
    assert found.count == 5085
    assert found.labels_of(["horse"]) == [7]
    assert found.labels is not None
    assert (found.labels == 7).sum() == 516


@real.needs(CIFAR)
def test_the_real_images_have_the_published_colours():
    rows = Cifar10(uri=real.uri(CIFAR)).load().rows
    # Means and deviations of all 50,000 training images; a tenth differs in the third digit.
    np.testing.assert_allclose(rows.mean(axis=(0, 1, 2)), [0.4914, 0.4822, 0.4465], atol=0.01)
    np.testing.assert_allclose(rows.std(axis=(0, 1, 2)), [0.2470, 0.2435, 0.2616], atol=0.01)


@real.needs(CIFAR)
def test_the_real_pickles_agree_with_the_unrestricted_reader():
    with open(f"{real.uri(CIFAR)}/data_batch_2", "rb") as stream:
        content = stream.read()
    # The test trusts this file; the program trusts none.
    known = pickle.Unpickler(io.BytesIO(content), encoding="bytes").load()
    images, labels = read_batch(content, name="x")
    np.testing.assert_array_equal(
        images.transpose(0, 3, 1, 2).reshape(len(images), -1), known[b"data"]
    )
    assert labels.tolist() == list(known[b"labels"])
