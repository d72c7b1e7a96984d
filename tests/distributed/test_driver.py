"""ganntk.distributed: the driver's loop over a group of workers, without Ray."""

import dataclasses
import json

import numpy as np
import pytest

from ganntk import config, distributed, storage
from ganntk.data.mixture import Mixture
from ganntk.distributed.group import open_group
from ganntk.distributed.worker import Worker
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.generators import Points
from ganntk.lam import Fixed
from ganntk.run_folder import RunFolder

_WORDS = ["--kernel", "fnn", "--data.type", "mixture", "--data.size", "12", "--points.count", "5"]


class Watcher:
    def __init__(self):
        self.phases, self.steps = [], []

    def phase(self, sentence):
        self.phases.append(sentence)

    def step(self, step, steps, loss, images_per_second):
        self.steps.append((step, steps))


@pytest.fixture
def small(tmp_path):
    words = [*_WORDS, "--steps", "7", "--report_every", "3", "--sample_every", "4"]
    return config.load(None, [*words, "--run_uri", str(tmp_path / "run"), "--lam", "30"])


def test_a_run_leaves_every_file_of_the_contract(small):
    watcher = Watcher()
    result = distributed.run(small, watcher)
    folder = RunFolder.open(result.run_uri)
    assert config.load(folder.path("config.yaml")) == small
    # Blocks end where a record (every 3) or a picture (every 4) is due.
    assert [record["step"] for record in folder.read_metrics() if "loss" in record] == [3, 4, 6, 7]
    assert watcher.steps == [(3, 7), (4, 7), (6, 7), (7, 7)]
    assert list(folder.sample_uris()) == [0, 4, 7]
    saved = folder.read_images()
    assert saved is not None
    assert saved.rows.shape == (5, 2)
    assert np.all((saved.d > 0) & (saved.d < 1))
    written = json.loads(storage.read_text(folder.path("result.json")))
    assert {key: written[key] for key in vars(result)} == vars(result)
    assert "</html>" in storage.read_text(folder.path("report.html"))


def test_the_length_of_blocks_does_not_change_a_run(small, tmp_path):
    first = distributed.run(small, Watcher())
    other = dataclasses.replace(
        small, report_every=7, sample_every=100, run_uri=str(tmp_path / "other")
    )
    second = distributed.run(other, Watcher())
    one, two = (RunFolder.open(r.run_uri).read_images() for r in (first, second))
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one.rows, two.rows)
    assert first.loss == second.loss


def test_a_folder_that_holds_a_run_is_refused_and_left_as_it_is(small):
    distributed.run(small, Watcher())
    before = storage.read_text(f"{small.run_uri}/result.json")
    with pytest.raises(InputError, match="already holds a run"):
        distributed.run(small, Watcher())
    assert storage.read_text(f"{small.run_uri}/result.json") == before


def test_data_that_cannot_be_read_leaves_no_run_behind(small):
    bad = dataclasses.replace(small, data=Mixture(modes=9))
    with pytest.raises(InputError, match="choose 8 or 25"):
        distributed.run(bad, Watcher())
    distributed.run(small, Watcher())


def test_a_non_finite_objective_stops_the_run_and_keeps_what_was_recorded(small):
    # An unbounded range, an enormous step: the squared distances overflow float32.
    bad = dataclasses.replace(
        small,
        lam=Fixed(1.0),
        points=Points(count=5, low=-3e38, high=3e38),
        optimizer=dataclasses.replace(small.optimizer, learning_rate=1e30),
    )
    with pytest.raises(NonFiniteObjectiveError, match=r"step \d+: loss .* at lam 1 with eigen"):
        distributed.run(bad, Watcher())
    assert RunFolder.open(bad.run_uri).config_text()


def test_time_in_the_uri_is_the_time_of_the_start(small, tmp_path):
    timed = dataclasses.replace(small, run_uri=str(tmp_path / "x-{time}"))
    assert distributed.run(timed, Watcher()).run_uri.startswith(str(tmp_path / "x-2"))


def test_a_group_without_ray_calls_its_worker(small):
    with open_group(Worker, small) as group:
        (prepared,) = group.call("prepare")
        assert prepared.real.shape == (12, 2)
        ((report,),) = group.call("advance", 2)
        assert report.loss.shape == (2,)
        assert isinstance(report.loss, np.ndarray)
