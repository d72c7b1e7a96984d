import dataclasses

import draccus
import numpy as np
import pytest

from ganntk.data import Dataset, Source
from ganntk.data.array import SavedArray
from ganntk.data.digits import Digits
from ganntk.data.idx import Idx
from ganntk.data.mixture import Mixture
from ganntk.errors import InputError

IMAGES = np.linspace(0, 1, 6 * 4 * 4).reshape(6, 4, 4, 1)
LABELS = np.array([0, 1, 2, 0, 1, 2])


@pytest.fixture(params=["digits", "idx", "array", "mixture"])
def source(request, tmp_path):
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=LABELS)
    header = bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 4, 0, 0, 0, 4])
    (tmp_path / "x.idx").write_bytes(header + np.rint(IMAGES * 255).astype(np.uint8).tobytes())
    return {
        "digits": Digits(size=5),
        "idx": Idx(uri=str(tmp_path / "x.idx"), size=5),
        "array": SavedArray(uri=str(tmp_path / "x.npz"), labels_key="labels", size=5),
        "mixture": Mixture(size=5),
    }[request.param]


def test_rows_are_read_only_float32_in_the_unit_range(source):
    data = source.load()
    assert isinstance(data, Dataset)
    assert data.rows.dtype == np.float32
    assert data.rows.flags.c_contiguous
    assert not data.rows.flags.writeable
    assert 0 <= data.rows.min() <= data.rows.max() <= 1


def test_size_is_the_number_of_rows_and_labels(source):
    data = source.load()
    assert len(data.rows) == 5
    assert data.labels is None or (data.labels.shape, data.labels.dtype) == ((5,), np.int64)


def test_the_same_fields_give_the_same_rows_and_fingerprint(source):
    first, second = source.load(), source.load()
    np.testing.assert_array_equal(first.rows, second.rows)
    assert first.fingerprint == second.fingerprint
    assert len(first.fingerprint) == 64


def test_another_seed_gives_other_rows_and_another_fingerprint(source):
    first, second = source.load(), dataclasses.replace(source, seed=1).load()
    assert not np.array_equal(first.rows, second.rows)
    assert first.fingerprint != second.fingerprint


def test_configuration_chooses_and_writes_back_every_source(source):
    written = draccus.encode(source, Source)
    assert written["type"] == Source.get_choice_name(type(source))
    assert draccus.decode(Source, written) == source


def test_classes_are_read_from_a_configuration():
    decoded = draccus.decode(Source, {"type": "digits", "size": 64, "classes": [3, 7]})
    assert decoded == Digits(size=64, classes=(3, 7))


def test_the_default_source_is_the_embedded_digits():
    assert draccus.decode(Source, {"size": 64}) == Digits(size=64)


def test_an_unknown_source_gets_the_nearest_names():
    with pytest.raises(InputError, match="unknown data source 'digit': did you mean digits"):
        draccus.decode(Source, {"type": "digit"})


def test_digits_are_the_real_ones_in_their_order_of_labels():
    data = Digits(size=None).load()
    assert data.rows.shape == (1797, 8, 8, 1)
    assert data.labels is not None
    # Counts that the data set's own description states for 0 to 9.
    assert np.bincount(data.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert set(np.unique(data.rows * 16)) == set(range(17))


def test_digits_keep_rows_and_labels_together():
    from sklearn.datasets import load_digits

    known = load_digits()
    pairs = {
        (image.tobytes(), label) for image, label in zip(known.data, known.target, strict=True)
    }
    data = Digits(size=100).load()
    assert data.labels is not None
    for row, label in zip(data.rows, data.labels, strict=True):
        assert ((row * 16).astype(np.float64).tobytes(), label) in pairs


def test_digits_of_one_class_are_that_class():
    data = Digits(size=20, classes=(4,)).load()
    assert data.labels is not None
    assert set(data.labels.tolist()) == {4}


def test_more_digits_than_there_are_is_refused():
    with pytest.raises(InputError, match="2000 rows were asked for and there are 1797"):
        Digits(size=2000).load()


def test_one_digit_only_is_refused():
    with pytest.raises(InputError, match="one row only"):
        Digits(size=1).load()


def test_data_that_is_moved_keeps_its_fingerprint(tmp_path):
    prints = []
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, images=IMAGES)
        prints.append(SavedArray(uri=str(tmp_path / name)).load().fingerprint)
    assert prints[0] == prints[1]


def test_one_changed_pixel_changes_the_fingerprint(tmp_path):
    changed = IMAGES.copy()
    changed[2, 1, 1, 0] += 1 / 255
    prints = set()
    for name, images in (("a.npz", IMAGES), ("b.npz", changed)):
        np.savez(tmp_path / name, images=images)
        prints.add(SavedArray(uri=str(tmp_path / name)).load().fingerprint)
    assert len(prints) == 2
