import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ganntk import storage
from ganntk.data.parquet import Parquet
from ganntk.errors import InputError
from tests.data import drawn

COUNT = 9
PICTURES = [drawn.picture(number) for number in range(COUNT)]
ARRAY = np.stack(PICTURES)
FILES = [drawn.encoded(one) for one in PICTURES]
SHAPE = {"shape": json.dumps([12, 10, 3])}


def raw() -> pa.Array:
    return pa.array([one.tobytes() for one in PICTURES], pa.binary(360))


COLUMNS = {
    "encoded": (lambda: pa.array(FILES), {}),
    "hugging face": (
        lambda: pa.array([{"bytes": one, "path": f"{i}.png"} for i, one in enumerate(FILES)]),
        {},
    ),
    "bytes": (raw, {"ganntk": json.dumps({"shape": [12, 10, 3], "dtype": "uint8"})}),
    "tensor": (lambda: pa.FixedShapeTensorArray.from_numpy_ndarray(ARRAY), {}),
    "flat lists": (
        lambda: pa.array([one.ravel().tolist() for one in PICTURES], pa.list_(pa.uint8())),
        SHAPE,
    ),
    "nested lists": (
        lambda: pa.array(
            [one.tolist() for one in PICTURES], pa.list_(pa.list_(pa.list_(pa.uint8())))
        ),
        {},
    ),
    "float tensor": (
        lambda: pa.FixedShapeTensorArray.from_numpy_ndarray((ARRAY / 255).astype(np.float32)),
        {},
    ),
}


def written(table: pa.Table, name: str, *, group: int = 4) -> str:
    uri = f"memory://parquet/{name}"
    with storage.open_write(uri) as stream:
        pq.write_table(table, stream, row_group_size=group)
    return uri


def table(kind: str = "bytes", **others) -> pa.Table:
    make, metadata = COLUMNS[kind]
    found = pa.table({"image": make(), **others})
    return found.replace_schema_metadata({**(found.schema.metadata or {}), **metadata})


@pytest.mark.parametrize("kind", COLUMNS)
def test_images_come_back_however_they_are_stored(kind):
    data = Parquet(uri=written(table(kind), "kinds.parquet")).load()
    order = np.argsort(drawn.numbers(data.rows))
    np.testing.assert_array_equal(np.rint(data.rows[order] * 255).astype(np.uint8), ARRAY)


@pytest.mark.parametrize("kind", ["encoded", "bytes", "float tensor"])
def test_rows_are_shaped_and_chosen_alike_from_every_storage(kind):
    options = {"side": 6, "crop": "square", "colour": "grey", "size": 5, "seed": 3}
    uris = [written(table(one), f"{one}.parquet") for one in (kind, "tensor")]
    ours, theirs = (Parquet(uri=uri, **options).load().rows for uri in uris)
    assert ours.shape == (5, 6, 6, 1)
    np.testing.assert_allclose(ours, theirs, atol=1.01 / 255)


def test_files_of_a_folder_are_one_set_in_the_order_of_their_names():
    whole = written(table(), "whole/all.parquet")
    for place, (first, count) in enumerate(((0, 3), (3, 5), (8, 1))):
        written(table().slice(first, count), f"cut/{place}.parquet", group=2)
    options = {"size": 6, "seed": 1}
    one = Parquet(uri=whole, **options).load()
    np.testing.assert_array_equal(
        one.rows, Parquet(uri="memory://parquet/cut", **options).load().rows
    )


def test_only_the_row_groups_that_are_needed_are_read(monkeypatch):
    uri, seen = written(table(), "groups.parquet", group=2), []
    read = storage.read_row_groups

    def watched(uri, groups, columns, **rest):
        seen.extend((number, column) for number in groups for column in columns)
        return read(uri, groups, columns, **rest)

    monkeypatch.setattr(storage, "read_row_groups", watched)
    rows = Parquet(uri=uri, size=2).load().rows
    assert {number // 2 for number in drawn.numbers(rows)} == {number for number, _ in seen}
    assert len(seen) <= 2


def test_classes_of_numbers_and_their_names():
    names = {"info": {"features": {"label": {"names": ["zero", "one", "two"]}}}}
    found = table("hugging face", label=pa.array([0, 1, 2] * 3))
    found = found.replace_schema_metadata({"huggingface": json.dumps(names)})
    uri = written(found, "labels.parquet")
    for wanted in ("two", 2):
        data = Parquet(uri=uri, classes=(wanted,)).load()
        assert sorted(drawn.numbers(data.rows)) == [2, 5, 8]


def test_classes_of_words():
    uri = written(table(kind="encoded", kind_=pa.array(["b", "a", "b"] * 3)), "words.parquet")
    data = Parquet(uri=uri, label_column="kind_", classes=("a",)).load()
    assert sorted(drawn.numbers(data.rows)) == [1, 4, 7]


def test_columns_that_say_yes_or_no_are_attributes():
    big = pa.array([number > 4 for number in range(COUNT)])
    odd = pa.array([number % 2 == 1 if number else None for number in range(COUNT)])
    uri = written(table(Big=big, Odd=odd), "attributes.parquet")
    assert sorted(drawn.numbers(Parquet(uri=uri, where="Big & ~Odd").load().rows)) == [6, 8]


def test_the_column_of_images_is_found_or_named():
    two = pa.table({"a": pa.array(FILES), "b": pa.array(FILES), "n": pa.array(range(COUNT))})
    uri = written(two, "two.parquet")
    with pytest.raises(InputError, match="has the columns a, b, n: say with image_column"):
        Parquet(uri=uri).load()
    assert len(Parquet(uri=uri, image_column="b").load().rows) == COUNT
    one = written(pa.table({"face": pa.array(FILES), "n": pa.array(range(COUNT))}), "one.parquet")
    assert len(Parquet(uri=one).load().rows) == COUNT


def test_the_images_of_a_run_can_be_the_data_of_another(tmp_path):
    from ganntk.run_folder import RunFolder

    folder = RunFolder.create(str(tmp_path / "run"), "")
    rows = np.random.default_rng(0).random((5, 4, 4, 1)).astype(np.float32)
    folder.write_real(rows)
    found = Parquet(uri=folder.path("real")).load().rows
    np.testing.assert_array_equal(np.sort(found.ravel()), np.sort(rows.ravel()))


def broken_cell() -> pa.Table:
    return pa.table({"image": pa.array([*FILES[:-1], b""])})


@pytest.mark.parametrize(
    ("make", "options", "sentence"),
    [
        (table, {"image_column": "x"}, "has no column 'x': choose among image"),
        (table, {"label_column": "x"}, "has no column 'x'"),
        (table, {"where": "Male"}, "the data has no attributes"),
        (table, {"classes": (1,)}, "the data has no labels"),
        (table, {"size": 10}, "10 rows were asked for and there are 9"),
        (broken_cell, {}, r"row 0 in row group 2 of memory://.* is an empty file|row 8 of"),
        (lambda: pa.table({"image": raw()}), {}, "bytes of one length without a shape"),
        (lambda: pa.table({"image": pa.array([[1, 2], [3, 4]])}), {}, "flat rows without a shape"),
        (lambda: pa.table({"image": pa.array([[1, 2], [3]])}), {}, "images of mixed sizes"),
        (lambda: pa.table({"image": pa.array(["a", "b"])}), {}, "holds no images"),
        (lambda: pa.table({"image": pa.array([{"path": "x"}] * 2)}), {}, "structs without bytes"),
        (lambda: table().slice(0, 0), {}, "holds no rows"),
        (
            lambda: table(label=pa.array([1, None, 1] * 3)),
            {"classes": (1,)},
            "3 rows of .* have no label",
        ),
    ],
)
def test_a_set_that_cannot_be_used_says_why(make, options, sentence):
    uri = written(make(), "wrong.parquet")
    with pytest.raises(InputError, match=sentence) as caught:
        Parquet(uri=uri, **options).load()
    assert "\n" not in str(caught.value)


def test_a_file_cut_short_is_named():
    uri = written(table(), "cut-short.parquet")
    storage.write_bytes(uri, storage.read_bytes(uri)[:-20])
    with pytest.raises(InputError, match=r"cut-short\.parquet is not a whole Parquet file"):
        Parquet(uri=uri).load()


def test_a_damaged_page_is_named():
    uri = written(table(), "damaged.parquet", group=COUNT)
    content = bytearray(storage.read_bytes(uri))
    content[4:400] = bytes(396)
    storage.write_bytes(uri, bytes(content))
    with pytest.raises(InputError, match=r"damaged\.parquet is (damaged|not a whole)"):
        Parquet(uri=uri).load()


def test_files_with_other_columns_are_not_mixed():
    written(table(), "mixed/a.parquet")
    written(table(label=pa.array(range(COUNT))), "mixed/b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet has other columns than .*a\.parquet"):
        Parquet(uri="memory://parquet/mixed").load()


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        (None, "has no uri"),
        ("memory://parquet/nothing", "there are no Parquet files at memory://parquet/nothing"),
        ("s4://bucket/x", "cannot use the address s4://bucket/x"),
    ],
)
def test_an_address_without_a_set_is_refused(uri, sentence):
    with pytest.raises(InputError, match=sentence):
        Parquet(uri=uri).load()
