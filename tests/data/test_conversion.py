import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from ganntk import storage
from ganntk.data import Mixture, conversion
from ganntk.data.celeba import CelebA
from ganntk.data.digits import Digits
from ganntk.data.folder import Folder
from ganntk.data.given import stored
from ganntk.data.parquet import MANIFEST, Parquet
from ganntk.errors import InputError
from tests.data import drawn, real


def converted(source, uri: str, **options) -> dict:
    skip = options.pop("skip_broken", False)
    return conversion.convert(conversion.begin(source, uri, **options), skip_broken=skip)


@pytest.fixture
def faces(tmp_path) -> str:
    return drawn.celeba(tmp_path / "celeba")


@pytest.fixture
def target(tmp_path) -> str:
    return str(tmp_path / "parquet")


@pytest.mark.parametrize("options", [{}, {"where": "Male"}, {"size": 3, "seed": 2}, {"side": 5}])
def test_a_converted_set_gives_the_same_rows(faces, target, options):
    converted(CelebA(uri=faces), target, rows_per_part=3)
    ours, theirs = Parquet(uri=target, **options).load(), CelebA(uri=faces, **options).load()
    np.testing.assert_array_equal(ours.rows, theirs.rows)


def test_options_of_the_source_are_carried_out(faces, target):
    manifest = converted(CelebA(uri=faces, side=6, colour="grey", where="Bald"), target)
    assert (manifest["rows"], manifest["shape"]) == (4, [6, 6, 1])
    data = Parquet(uri=target).load()
    assert data.rows.shape == (4, 6, 6, 1)


@pytest.mark.parametrize("source", [Digits(size=30), Mixture(size=30)])
def test_any_source_is_converted(source, target):
    converted(stored(source), target, rows_per_part=29)
    ours, theirs = Parquet(uri=target).load(), source.load()
    assert ours.rows.shape == theirs.rows.shape
    order = [np.lexsort(one.rows.reshape(30, -1).T) for one in (ours, theirs)]
    np.testing.assert_array_equal(ours.rows[order[0]], theirs.rows[order[1]])
    assert ours.labels is not None
    assert theirs.labels is not None
    np.testing.assert_array_equal(ours.labels[order[0]], theirs.labels[order[1]])


def test_every_part_describes_itself(faces, target):
    converted(CelebA(uri=faces), target, rows_per_part=3, terms="ask first")
    parts = storage.list_files(target, suffix=".parquet")
    assert len(parts) == 3
    for part in parts:
        schema = pq.read_schema(part)
        described = json.loads(schema.metadata[b"ganntk"])
        assert described["shape"] == [12, 10, 3]
        assert described["attributes"] == list(drawn.NAMES)
        assert described["terms"] == "ask first"
        assert len(described["fingerprint"]) == 64
        assert {"image", "index", "file", "Male"} <= set(schema.names)
    assert pq.read_table(parts[1])["file"].to_pylist() == [f"{i:06d}.jpg" for i in (3, 4, 5)]


def test_the_fingerprint_does_not_depend_on_the_parts(faces, tmp_path):
    prints = {
        converted(CelebA(uri=faces), str(tmp_path / f"cut-{rows}"), rows_per_part=rows)[
            "fingerprint"
        ]
        for rows in (1, 3, 100)
    }
    assert len(prints) == 1
    other = converted(CelebA(uri=faces, where="Male"), str(tmp_path / "male"))["fingerprint"]
    assert other not in prints


def test_names_of_classes_are_kept(tmp_path, target):
    for number, name in enumerate(("cats/a", "cats/b", "dogs/a", "dogs/b")):
        drawn.write(tmp_path / "pets" / f"{name}.png", number)
    converted(Folder(uri=str(tmp_path / "pets")), target)
    data = Parquet(uri=target, classes=("dogs",)).load()
    assert sorted(drawn.numbers(data.rows)) == [2, 3]


@pytest.fixture
def damaged(tmp_path) -> str:
    for number in range(6):
        drawn.write(tmp_path / "damaged" / f"{number}.png", number)
    (tmp_path / "damaged" / "1.png").write_bytes(b"")
    (tmp_path / "damaged" / "4.png").write_bytes(drawn.encoded(drawn.picture(4))[:60])
    return str(tmp_path / "damaged")


def test_broken_pictures_are_counted_and_listed_and_nothing_is_left(damaged, target):
    with pytest.raises(InputError, match="2 of 6 pictures are broken") as caught:
        converted(Folder(uri=damaged), target, rows_per_part=2)
    for words in (r"1.png is an empty file", "4.png is cut short or damaged", "--skip-broken"):
        assert words in str(caught.value)
    assert drawn.remains(target) == []


def test_what_a_killed_writer_left_goes_with_the_rest(damaged, target):
    left = storage.join(target, ".part-00001.parquet.0123456789abcdef.partial")
    storage.write_bytes(left, b"half")
    with pytest.raises(InputError, match="2 of 6 pictures are broken"):
        converted(Folder(uri=damaged), target, rows_per_part=2)
    assert drawn.remains(target) == []


def test_broken_pictures_are_left_out_when_that_is_asked_for(damaged, target):
    manifest = converted(Folder(uri=damaged), target, rows_per_part=2, skip_broken=True)
    assert manifest["rows"] == 4
    assert [one["file"].rsplit("/", 1)[-1] for one in manifest["skipped"]] == ["1.png", "4.png"]
    assert sorted(drawn.numbers(Parquet(uri=target).load().rows)) == [0, 2, 3, 5]


def test_a_part_of_broken_pictures_alone_is_no_file(damaged, target):
    manifest = converted(Folder(uri=damaged), target, rows_per_part=1, skip_broken=True)
    assert len(manifest["parts"]) == 4
    assert sorted(drawn.numbers(Parquet(uri=target).load().rows)) == [0, 2, 3, 5]


def test_nothing_but_broken_pictures_is_refused(tmp_path, target):
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(b"")
    with pytest.raises(InputError, match="3 of 3 pictures are broken"):
        converted(Folder(uri=str(tmp_path)), target, skip_broken=True)
    assert drawn.remains(target) == []


@pytest.mark.parametrize("rows_per_part", [1, 8])
def test_mixed_sizes_leave_nothing_behind(tmp_path, target, rows_per_part):
    drawn.write(tmp_path / "mixed" / "a.png", 0)
    drawn.write(tmp_path / "mixed" / "b.png", 1, height=20)
    with pytest.raises(InputError, match=r"mixed s.*give side"):
        converted(Folder(uri=str(tmp_path / "mixed")), target, rows_per_part=rows_per_part)
    assert drawn.remains(target) == []


def test_what_fails_before_the_first_part_makes_no_folder(tmp_path, target):
    with pytest.raises(InputError, match="there are no pictures"):
        converted(Folder(uri=str(tmp_path / "nothing")), target)
    assert not storage.exists(target)


def test_a_folder_that_holds_something_is_not_written(faces, target):
    storage.write_text(storage.join(target, "notes.txt"), "mine")
    with pytest.raises(InputError, match="is not empty: choose another folder"):
        converted(CelebA(uri=faces), target)
    assert storage.read_text(storage.join(target, "notes.txt")) == "mine"
    converted(CelebA(uri=faces), f"{target}-2")
    with pytest.raises(InputError, match="is not empty"):
        converted(CelebA(uri=faces), f"{target}-2")


def test_an_interruption_leaves_nothing_behind(faces, target):
    def stop(_: conversion.Part) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conversion.convert(conversion.begin(CelebA(uri=faces), target), on_part=stop)
    assert drawn.remains(target) == []


def test_a_conversion_that_was_cut_off_is_no_set_and_can_be_done_again(faces, target):
    conversion.begin(CelebA(uri=faces), target, rows_per_part=3).write(0)
    with pytest.raises(InputError, match="was cut off: convert the data again"):
        Parquet(uri=target).load()
    converted(CelebA(uri=faces), target)
    assert len(Parquet(uri=target).load().rows) == 8


def test_a_set_that_lost_a_file_is_refused(faces, target):
    converted(CelebA(uri=faces), target, rows_per_part=3)
    storage.remove(storage.join(target, "part-00001.parquet"))
    with pytest.raises(InputError, match=r"lacks 1 of its 3 files, the first is part-00001"):
        Parquet(uri=target).load()
    storage.write_text(storage.join(target, MANIFEST), "{")
    with pytest.raises(InputError, match="is damaged: convert the data again"):
        Parquet(uri=target).load()


def test_rows_per_part_are_at_least_one(faces, target):
    with pytest.raises(InputError, match="0 rows a part"):
        converted(CelebA(uri=faces), target, rows_per_part=0)


@real.needs("celeba")
def test_the_real_faces_are_the_same_from_parquet(target):
    options = {"where": "Male & Straight_Hair", "size": 50}
    manifest = converted(CelebA(uri=real.uri("celeba"), side=64, crop="148x148"), target)
    assert manifest["rows"] == 1164
    theirs = CelebA(uri=real.uri("celeba"), side=64, crop="148x148", **options).load().rows
    np.testing.assert_array_equal(Parquet(uri=target, **options).load().rows, theirs)
