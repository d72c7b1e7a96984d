"""The pure parts of checkpoints: what stays, what a manifest says, trees by name."""

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganntk.checkpoint import trees
from ganntk.checkpoint.manifest import File, Manifest
from ganntk.checkpoint.policy import Checkpoints, superseded
from ganntk.errors import CheckpointError, InputError

MANIFEST = Manifest(
    step=20,
    fingerprint="f",
    data_fingerprint="d",
    is_temporary=False,
    created=1.5,
    writer="w",
    files=(File("tree/a", 3, "00"), File("tree/b", 4, "11")),
)


class State(NamedTuple):
    points: np.ndarray
    optimizer: optax.OptState
    lam: float


def state() -> State:
    points = np.linspace(0, 1, 6).reshape(2, 3)
    slots = optax.adam(0.1).init({"w": jnp.zeros(2), "layers": {0: jnp.ones(1)}})
    return State(points, slots, 2.5)


def test_the_last_ones_and_every_mth_stay_and_temporary_ones_go():
    found = [(step, False) for step in range(10, 110, 10)] + [(45, True), (105, True)]
    gone = superseded(found, keep=2, keep_every=40)
    assert gone == [10, 20, 30, 45, 50, 60, 70]
    assert superseded([(5, True)], keep=1) == []
    assert superseded([], keep=1) == []


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), unique_by=lambda each: each[0]))
def test_the_newest_and_the_newest_lasting_one_always_stay(found):
    gone = set(superseded(found, keep=1))
    if found:
        assert max(found)[0] not in gone
    if lasting := [step for step, is_temporary in found if not is_temporary]:
        assert max(lasting) not in gone


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"every": -1}, "every is -1"),
        ({"keep": 0}, "keep is 0"),
        ({"keep_every": -2}, "keep_every is -2"),
        ({"seconds": float("inf")}, "seconds is inf"),
        ({"lease_seconds": 0}, "lease_seconds is 0"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(arguments, sentence):
    with pytest.raises(InputError, match=rf"checkpoints\.{sentence}"):
        Checkpoints(**arguments)


def test_a_manifest_is_read_back_and_any_changed_character_is_noticed():
    text = MANIFEST.to_json()
    assert Manifest.from_json(text, "m") == MANIFEST
    assert MANIFEST.size == 7
    for place in range(0, len(text) - 1, 3):
        other = "7" if text[place] != "7" else "8"
        changed = text[:place] + other + text[place + 1 :]
        if changed.split() == text.split():
            continue  # white space between tokens says nothing
        with pytest.raises(CheckpointError, match="m is damaged"):
            Manifest.from_json(changed, "m")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"sha256": 1}'])
def test_a_torn_manifest_is_damaged(text):
    with pytest.raises(CheckpointError, match="m is damaged"):
        Manifest.from_json(text, "m")


def test_a_cut_manifest_is_damaged_wherever_it_is_cut():
    text = MANIFEST.to_json().rstrip()
    for length in range(len(text)):
        with pytest.raises(CheckpointError):
            Manifest.from_json(text[:length], "m")


def test_a_tree_comes_back_in_its_structure_types_and_bits(tmp_path):
    given = state()
    trees.write(str(tmp_path / "tree"), given)
    found = trees.rebuilt(trees.read(str(tmp_path / "tree")), given)
    assert isinstance(found, State)
    assert (type(found.lam), found.lam) == (float, 2.5)
    assert type(found.optimizer[0]) is type(given.optimizer[0])
    assert found.points.dtype == np.float64
    np.testing.assert_array_equal(found.points, given.points)
    assert found.optimizer[0].mu["layers"][0].dtype == np.float32


def test_a_tree_of_another_run_is_refused_with_its_first_differences():
    leaves = trees.flattened(state())
    other = state()._replace(points=np.zeros((2, 4), np.float32))
    with pytest.raises(
        CheckpointError, match=r"points is float64\[2, 3\] there and float32\[2, 4\]"
    ):
        trees.rebuilt(leaves, other)
    with pytest.raises(CheckpointError, match=r"extra is missing there and int64\[\] here"):
        trees.rebuilt({"a": np.zeros(1)}, {"a": np.zeros(1), "extra": 3})
    with pytest.raises(CheckpointError, match="and 1 more"):
        trees.rebuilt({}, dict.fromkeys("abcd", 1))


def test_names_of_leaves_are_their_paths():
    names = list(trees.flattened(state()))
    assert {"points", "lam", "optimizer.0.count", "optimizer.0.mu.w"} <= set(names)
    assert dataclasses.is_dataclass(MANIFEST)
