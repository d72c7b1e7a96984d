"""What a sweep tries, and what it refuses."""

import math

import numpy as np
import pytest

from ganntk.distributed.sweep import plan as plans
from ganntk.distributed.sweep import space
from ganntk.errors import InputError

RAW = {
    "kernel.name": ["fnn", "cnn-small"],
    "lam.value": {"log_uniform": [0.1, 10]},
    "kernel.weight_variance": {"uniform": [1, 3], "when": {"kernel.name": "fnn"}},
    "points.count": {"integer": [8, 12]},
}


def test_values_of_a_trial_depend_on_the_seed_and_its_number_alone():
    found = space.parse(RAW)
    assert found.draw(3, 7) == found.draw(3, 7)
    assert found.draw(3, 7) != found.draw(3, 8)
    assert found.draw(4, 7) != found.draw(3, 7)


def test_a_condition_decides_whether_a_key_is_tried():
    drawn = [space.parse(RAW).draw(0, number) for number in range(200)]
    for values in drawn:
        assert ("kernel.weight_variance" in values) == (values["kernel.name"] == "fnn")
    assert {values["kernel.name"] for values in drawn} == {"fnn", "cnn-small"}


def test_ranges_are_filled_evenly_each_in_its_own_measure():
    drawn = [space.parse(RAW).draw(0, number) for number in range(2000)]
    logs = np.log10([values["lam.value"] for values in drawn])
    # A uniform distribution over two decades has this mean and spread.
    assert abs(logs.mean()) < 3 * 2 / math.sqrt(12 * 2000)
    assert np.std(logs) == pytest.approx(2 / math.sqrt(12), rel=0.05)
    assert {values["points.count"] for values in drawn} == {8, 9, 10, 11, 12}


def test_a_grid_has_every_combination_once():
    raw = {"a": [1, 2], "b": {"grid": [1, 2, 3], "when": {"a": 2}}, "c": ["x", "y"]}
    found = space.parse(raw).grid()
    assert len(found) == 2 + 6
    assert {"a": 1, "c": "x"} in found
    assert {"a": 2, "b": 3, "c": "y"} in found


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        ({}, "expected configuration keys"),
        ({"lam.value": 3}, "expected a list of values, or a range"),
        ({"lam.value": []}, "has no values"),
        ({"lam.value": {"normal": [0, 1]}}, "expected choice, uniform"),
        ({"lam.value": {"uniform": [2, 1]}}, "the smaller first"),
        ({"lam.value": {"log_uniform": [0, 1]}}, "not positive"),
        ({"a": {"choice": [1], "when": {"b": 2}}, "b": [2]}, "which does not stand before it"),
    ],
)
def test_what_is_no_space_is_refused(raw, sentence):
    with pytest.raises(InputError, match=sentence):
        space.parse(raw)


def test_a_range_is_no_grid():
    with pytest.raises(InputError, match=r"space\.lam\.value has a range"):
        space.parse(RAW).grid()


YAML = """
config: null
run:
  steps: 30
  kernel: fnn
  stopping: {type: never, every: 10, held_out: {type: digits, size: 99}}
space: {lam.value: [1, 2]}
"""


def test_a_plan_is_read_saved_and_read_again(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text(YAML)
    words = ["--trials", "2", "--run.steps", "40", "--uri", str(tmp_path / "sweep")]
    plan = plans.load(str(file), words)
    assert plan.trials == 2
    assert plan.config_of({"lam.value": 2}).steps == 40
    assert vars(plan.config_of({"lam.value": 2}).lam) == {"value": 2.0}
    plans.save(plan)
    assert plans.saved(str(tmp_path / "sweep")) == plan


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--trails", "2"], "trails"),
        (["--searcher", "bayes"], "bayes"),
        (["--objectives.lost", "min"], "lost"),
        (["--objectives.loss", "least"], "expected min or max"),
        (["--run.stopping.every", "0"], "measured at checks"),
        (["--run.kernal", "fnn"], "kernal"),
        (["--reduction", "1"], "at least 2"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(tmp_path, words, sentence):
    file = tmp_path / "sweep.yaml"
    file.write_text(YAML)
    with pytest.raises(InputError, match=sentence):
        plans.load(str(file), words)


def test_a_distance_to_held_out_rows_needs_some(tmp_path):
    file = tmp_path / "sweep.yaml"
    file.write_text("run: {stopping: {every: 5}}\nspace: {lam.value: [1]}")
    with pytest.raises(InputError, match="needs rows to measure it to"):
        plans.load(str(file))
