import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ganntk.data import check_rows, select_rows
from ganntk.data.rows import check_labels
from ganntk.errors import InputError

GREY = np.full((3, 8, 8, 1), 0.5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.bool_])
def test_numbers_in_range_become_contiguous_float32(dtype):
    rows = np.ones((8, 8, 3, 2), dtype).T
    checked = check_rows(rows)
    assert checked.dtype == np.float32
    assert checked.flags.c_contiguous
    np.testing.assert_array_equal(checked, rows)


@given(hnp.arrays(np.uint8, (2, 4, 5, 3)))
def test_bytes_are_divided_by_255_and_come_back(rows):
    checked = check_rows(rows)
    np.testing.assert_array_equal(np.rint(checked * 255), rows)
    assert checked.max() <= 1


def test_grey_images_get_a_channel_axis():
    assert check_rows(GREY[..., 0]).shape == (3, 8, 8, 1)


def test_points_stay_points():
    assert check_rows(np.zeros((5, 2))).shape == (5, 2)


def test_a_list_of_equal_images_is_stacked():
    assert check_rows([np.zeros((8, 8, 3))] * 4).shape == (4, 8, 8, 3)


def test_the_given_array_is_not_changed():
    rows = np.full((2, 4), 255, np.uint8)
    check_rows(rows)
    assert (rows == 255).all()


def with_value(value):
    rows = GREY.copy()
    rows[1, 2, 3, 0] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (GREY[:1], "one row only"),
        (GREY[:0], "no row only|no row"),
        (GREY[0], "looks like one image only"),
        (np.zeros((32, 32, 3)), "looks like one image only"),
        (np.zeros(4), r"have shape \(4,\): give \(n, h, w, c\)"),
        (np.zeros((2, 8, 0, 1)), "have shape"),
        (np.zeros((2, 1, 8, 8, 1)), "have shape"),
        (0.5, "have shape"),
        ([np.zeros((8, 8)), np.zeros((8, 8)), np.zeros((9, 8))], r"number 0 is \(8, 8\), number 2"),
        (np.array([np.zeros(3), np.zeros(4)], dtype=object), r"mixed shapes .*\(3,\).*\(4,\)"),
        ([[[1, 2], [3]], [[1, 2], [3]]], "ragged"),
        (with_value(np.nan), r"hold nan \(first in row 1\)"),
        (with_value(-np.inf), r"hold -inf \(first in row 1\)"),
        (with_value(255.0), r"lie in \[0\.5, 255\].*divide by 255"),
        (with_value(-1.0), r"lie in \[-1, 0\.5\].*\(x \+ 1\) / 2"),
        (with_value(1.00001), "clip them"),
        (with_value(1e6), "rescale them"),
        (np.array([["a", "b"], ["c", "d"]]), "give real numbers"),
        (GREY * 1j, "give real numbers"),
    ],
)
def test_unusable_rows_are_refused_in_one_sentence(rows, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        check_rows(rows)
    assert "\n" not in str(caught.value)


def test_messages_call_the_rows_by_their_name():
    with pytest.raises(InputError, match="the real rows hold nan"):
        check_rows(with_value(np.nan), name="real rows")


@given(count=st.integers(1, 50), seed=st.integers(0, 2**32), data=st.data())
def test_rows_are_kept_once_and_by_seed(count, seed, data):
    size = data.draw(st.integers(1, count))
    kept = select_rows(count, None, size=size, seed=seed)
    assert len(set(kept.tolist())) == len(kept) == size
    assert set(kept.tolist()) <= set(range(count))
    np.testing.assert_array_equal(kept, select_rows(count, None, size=size, seed=seed))


def test_another_seed_keeps_other_rows():
    first, second = (select_rows(1000, None, size=10, seed=seed) for seed in (0, 1))
    assert set(first.tolist()) != set(second.tolist())


def test_a_smaller_size_keeps_the_first_of_the_same_rows():
    large, small = (select_rows(100, None, size=size, seed=3) for size in (50, 20))
    np.testing.assert_array_equal(large[:20], small)


def test_no_size_keeps_all():
    assert sorted(select_rows(10, None, size=None, seed=0)) == list(range(10))


def test_classes_are_filtered_before_the_size_is_taken():
    labels = np.repeat([0, 1, 2], [90, 5, 5])
    kept = select_rows(100, labels, size=10, seed=0, classes=(1, 2))
    assert sorted(kept) == list(range(90, 100))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 11}, "11 rows were asked for and there are 10:"),
        ({"size": 0}, "give a size between 1 and 10"),
        ({"size": 4, "classes": (7,)}, r"there are 3 of classes \[7\]"),
        ({"size": 1, "classes": (7, 9)}, r"no rows of the classes \[9\]: choose among 1, 7"),
        ({"size": 1, "classes": ()}, "choose among 1, 7"),
        ({"size": 1, "seed": -1}, "the data seed is -1"),
    ],
)
def test_selections_that_cannot_be_made_are_refused(options, sentence):
    labels = np.repeat([1, 7], [7, 3])
    with pytest.raises(InputError, match=sentence):
        select_rows(10, labels, **{"seed": 0, **options})


def test_classes_without_labels_are_refused():
    with pytest.raises(InputError, match="the data has no labels"):
        select_rows(10, None, size=1, seed=0, classes=(1,))


@pytest.mark.parametrize("labels", [np.zeros(3), np.zeros((4, 1), int), np.zeros(5, int)])
def test_labels_are_one_whole_number_for_each_row(labels):
    with pytest.raises(InputError, match="one whole number for each of the 4 rows"):
        check_labels(labels, 4, name="labels.gz")
