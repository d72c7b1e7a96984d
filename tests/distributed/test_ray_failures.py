"""Workers and nodes of a real Ray that are lost in a run: the same numbers at its end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ganntk.run_folder import RunFolder
from tests.structure.sources import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

WORDS = [
    *["--kernel", "cnn-small", "--data.size", "24", "--points.count", "22", "--lam", "2"],
    *["--steps", "240", "--report_every", "10", "--precision", "float64"],
    *["--cluster.workers", "2", "--cluster.snapshot_every", "20"],
]
# A step of these takes a millisecond: long enough that something can happen in the middle.
LONG = ["--steps", "3000", "--cluster.snapshot_every", "500", "--sample_every", "1000"]
COUPLINGS = {
    "vectors": ["--coupling.exchange", "vectors", "--solver", "lanczos", "--steps", "30"],
    "independent": ["--coupling.type", "independent", "--coupling.sets", "3", *LONG],
    "batchwise": [
        *["--coupling.type", "batchwise", "--coupling.batch", "8", "--coupling.sets", "3", *LONG],
    ],
    "generator": [
        *["--coupling.type", "generator", "--coupling.batch", "8", "--coupling.batches", "3"],
        *["--coupling.network.channels", "[8, 4]", "--steps", "200"],
    ],
}


def run(tmp_path: Path, scenario: str, *words: str) -> tuple[dict, np.ndarray, list[dict]]:
    """What the program printed, the rows that it made, and what it recorded."""
    folder = tmp_path / scenario
    done = subprocess.run(
        [sys.executable, "-m", "tests.distributed.failures", scenario, str(folder), *WORDS, *words],
        env=os.environ | {"HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    saved = RunFolder.open(str(folder))
    images = saved.read_images()
    assert images is not None
    return json.loads(done.stdout.splitlines()[-1]), images.rows, saved.read_metrics()


def restarts(records: list[dict]) -> int:
    """Workers that were replaced by the end of a run."""
    return max(int(record.get("worker_restarts", 0)) for record in records)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(tmp_path_factory.mktemp("undisturbed"), "undisturbed")


def test_a_run_on_two_ray_workers_is_that_of_two_in_this_process(undisturbed, tmp_path):
    from ganntk import config, distributed

    class Quiet:
        def phase(self, sentence):
            """Say nothing."""

        def step(self, *numbers):
            """Say nothing."""

    words = [*WORDS, "--run_uri", str(tmp_path / "here")]
    result = distributed.run(config.load(None, words), Quiet())
    images = RunFolder.open(result.run_uri).read_images()
    assert images is not None
    assert result.loss == pytest.approx(undisturbed[0]["loss"], rel=1e-12)
    np.testing.assert_array_equal(images.rows, undisturbed[1])


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], COUPLINGS["vectors"][:4]], ids=["rows", "vectors"])
def test_fifty_steps_on_one_to_four_workers_are_those_of_one_device(tmp_path, words):
    done = subprocess.run(
        [sys.executable, "-m", "tests.distributed.outcomes", *words],
        env=os.environ | {"HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 8
    assert np.max(list(found.values())) < 1e-9, found  # a NaN is the largest of all


@pytest.mark.parametrize("scenario", ["kill", pytest.param("kill-solver", marks=pytest.mark.slow)])
def test_a_worker_that_is_killed_in_a_step_changes_nothing(undisturbed, tmp_path, scenario):
    printed, rows, records = run(tmp_path, scenario)
    assert restarts(records) == 1
    if scenario == "kill-solver":
        (sentence,) = printed["lost"]
        assert "workers [0] of 2 are lost" in sentence
    np.testing.assert_array_equal(rows, undisturbed[1])
    assert printed["loss"] == undisturbed[0]["loss"]


@pytest.mark.slow
def test_a_worker_that_hangs_is_replaced_after_the_timeout(undisturbed, tmp_path):
    _, rows, records = run(tmp_path, "hang", "--cluster.timeout_seconds", "20")
    assert restarts(records) == 1
    np.testing.assert_array_equal(rows, undisturbed[1])


@pytest.mark.slow
def test_workers_that_are_stuck_in_a_call_are_replaced(tmp_path):
    """They answer whether they are well all the while: from outside, all who wait look the same."""
    printed, rows, records = run(tmp_path, "stuck", "--cluster.timeout_seconds", "20")
    assert restarts(records) == 2
    (sentence,) = printed["lost"]
    assert "no answer in 20 s" in sentence
    assert len(rows) == 22


@pytest.mark.slow
def test_a_node_that_is_removed_changes_nothing(undisturbed, tmp_path):
    _, rows, records = run(tmp_path, "node")
    assert restarts(records) >= 1
    np.testing.assert_array_equal(rows, undisturbed[1])


@pytest.mark.slow
@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("scenario", ["kill", "hang", "node"])
def test_no_coupling_notices_a_lost_worker(tmp_path_factory, tmp_path, coupling, scenario):
    words = COUPLINGS[coupling]
    wanted = tmp_path_factory.getbasetemp() / f"undisturbed-{coupling}"
    if not wanted.exists():
        wanted.mkdir()
        run(wanted, "undisturbed", *words)
    images = RunFolder.open(str(wanted / "undisturbed")).read_images()
    assert images is not None
    timeout = ["--cluster.timeout_seconds", "20"] if scenario == "hang" else []
    _, rows, records = run(tmp_path, scenario, *words, *timeout)
    assert restarts(records) >= 1
    np.testing.assert_array_equal(rows, images.rows)
