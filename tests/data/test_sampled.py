"""Some rows at a time of a set that does not fit into memory."""

import dataclasses
import itertools

import numpy as np
import pytest

from ganntk import config, distributed, storage
from ganntk.data import conversion
from ganntk.data.array import SavedArray
from ganntk.data.parquet import Parquet
from ganntk.data.sampled import Sampled
from ganntk.errors import InputError
from ganntk.run_folder import RunFolder
from tests.distributed.test_resume import Stopping

COUNT = 250


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Sampled:
    """Images whose first pixel is their number, in Parquet with groups of 16."""
    home = tmp_path_factory.mktemp("sampled")
    rows = np.random.default_rng(0).integers(0, 256, size=(COUNT, 4, 4, 1), dtype=np.uint8)
    rows[:, 0, 0, 0] = np.arange(COUNT)
    np.savez(home / "images.npz", images=rows)
    uri = str(home / "parquet")
    conversion.convert(
        conversion.begin(SavedArray(uri=str(home / "images.npz")), uri, rows_per_part=100)
    )
    return Sampled(of=Parquet(uri=uri), rows=60, steps=3, chunk=16)


def numbers(rows: np.ndarray) -> list[int]:
    return np.round(rows[:, 0, 0, 0] * 255).astype(int).tolist()


def test_no_row_comes_twice_before_all_have_had_their_turn(source):
    turns = [numbers(source.rows_at(3 * turn)) for turn in range(8)]
    assert all(len(set(turn)) == 60 for turn in turns)
    assert len(set(itertools.chain(*turns[:4]))) == 240
    assert len(set(itertools.chain(*turns[4:]))) == 240
    assert turns[:4] != turns[4:]
    assert turns[0] == numbers(source.rows_at(2)) == numbers(source.load().rows)
    assert [source.rows_until(step) for step in range(4)] == [3, 2, 1, 3]


def test_filters_of_the_source_hold_and_its_size_is_asked_for(source):
    few = Sampled(of=dataclasses.replace(source.of, size=100, seed=4), rows=30, chunk=8)
    wanted = set(numbers(few.of.load().rows))
    assert all(set(numbers(few.rows_at(100 * turn))) <= wanted for turn in range(3))
    with pytest.raises(InputError, match=r"data.rows is 101 and 100 rows fit"):
        dataclasses.replace(few, rows=101).load()


def test_only_the_groups_that_hold_the_rows_are_read(source, monkeypatch):
    read, asked = storage.read_row_groups, []
    monkeypatch.setattr(
        storage,
        "read_row_groups",
        lambda uri, groups, *rest, **more: (
            asked.extend((uri, g) for g in groups) or read(uri, groups, *rest, **more)
        ),
    )
    one = Sampled(of=source.of, rows=10, chunk=10)
    one.rows_at(0)
    groups = one.of.contents().count // 10
    assert 1 <= len(set(asked)) <= 2 < groups


def configured(source, folder, *words):
    given = config.load(
        None,
        [
            *["--kernel", "fnn", "--lam", "5", "--steps", "14", "--checkpoints.every", "5"],
            *["--sample_every", "14", "--precision", "float64", "--run_uri", str(folder), *words],
            *["--coupling.type", "batchwise", "--coupling.batch", "8", "--points.count", "12"],
        ],
    )
    return dataclasses.replace(given, data=source)


def test_a_run_depends_neither_on_its_blocks_nor_on_an_interruption(source, tmp_path):
    given = configured(source, tmp_path / "whole", "--report_every", "14")
    whole = distributed.run(given, Stopping())
    cut = configured(source, tmp_path / "cut", "--report_every", "2")
    with pytest.raises(KeyboardInterrupt):
        distributed.run(cut, Stopping(7))
    resumed = distributed.resume(cut, Stopping())
    assert resumed.loss == whole.loss
    images = [RunFolder.open(str(tmp_path / name)).read_images() for name in ("whole", "cut")]
    np.testing.assert_array_equal(*(found.rows for found in images))
    still = dataclasses.replace(source, steps=1000)
    other = distributed.run(configured(still, tmp_path / "still"), Stopping())
    assert other.loss != whole.loss


def test_a_generator_draws_from_them_on_any_number_of_workers(source, tmp_path):
    words = ["--steps", "7", "--cluster.workers"]
    losses = []
    for workers in ("1", "2"):
        given = config.load(
            None,
            [
                *["--kernel", "fnn", "--lam", "5", "--run_uri", str(tmp_path / workers)],
                *["--coupling.type", "generator", "--coupling.network.type", "dense"],
                *["--coupling.batch", "8", "--coupling.batches", "2", *words, workers],
            ],
        )
        given = dataclasses.replace(given, data=source)
        losses.append(distributed.run(given, Stopping()).loss)
    assert losses[0] == losses[1]


def test_couplings_that_draw_no_batches_are_refused(source):
    with pytest.raises(InputError, match=r"take coupling.type batchwise or generator"):
        dataclasses.replace(config.load(None, []), data=source)
    with pytest.raises(InputError, match=r"data.rows is 1: expected at least 2"):
        Sampled(rows=1)
