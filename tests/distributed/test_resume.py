"""Runs that end early and go on: the same numbers as if nothing had happened."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from ganntk import config, distributed, storage
from ganntk.checkpoint import store
from ganntk.distributed.guarded import Guarded
from ganntk.errors import CheckpointError, InputError
from ganntk.run_folder import RunFolder
from tests.checkpoint.conftest import environment, forget_stores
from tests.checkpoint.s3 import BUCKET, served
from tests.structure.sources import ROOT

pytestmark = pytest.mark.usefixtures("quick_compile")

WORDS = [
    *["--kernel", "fnn", "--data.type", "mixture", "--data.size", "12", "--lam", "30"],
    *["--steps", "40", "--report_every", "5", "--sample_every", "20", "--precision", "float64"],
    *["--checkpoints.every", "10", "--points.count", "9"],
]
LEVELS = (
    "[{side: 8, kernel: cnn-small, solver: lanczos, first_step: 12, ramp_steps: 20}, "
    "{side: 4, lam: {type: annealed}}, {side: 2, lam: 5.0, weight: 0.5}]"
)
COUPLINGS = {
    "exact": [],
    "levels": [
        *["--coupling.type", "independent", "--coupling.sets", "3"],
        *["--data.type", "digits", "--data.size", "12", "--levels", LEVELS],
    ],
    "vectors": ["--coupling.exchange", "vectors", "--solver", "lanczos"],
    "independent": ["--coupling.type", "independent", "--coupling.sets", "8"],
    "batchwise": ["--coupling.type", "batchwise", "--coupling.batch", "6", "--coupling.sets", "8"],
    "generator": [
        *["--coupling.type", "generator", "--coupling.network.type", "dense"],
        *["--coupling.batch", "6", "--coupling.batches", "8"],
    ],
}


class Stopping:
    """Watches a run, and interrupts it after a step."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at

    def phase(self, sentence):
        """Say nothing."""

    def step(self, step, *rest):
        """End here."""
        if self.at is not None and step >= self.at:
            raise KeyboardInterrupt


def start(folder: Path, *words: str, stop: int | None = None) -> distributed.RunResult | None:
    given = config.load(None, [*WORDS, *words, "--run_uri", str(folder)])
    try:
        return distributed.run(given, Stopping(stop))
    except KeyboardInterrupt:
        return None


def resume(folder: Path | str, *words: str, stop: int | None = None) -> distributed.RunResult:
    given = config.load(f"{folder}/config.yaml", [*words, "--run_uri", str(folder)])
    return distributed.resume(given, Stopping(stop))


def saved(folder: Path | str) -> np.ndarray:
    images = RunFolder.open(str(folder)).read_images()
    assert images is not None
    return images.rows


def curve(folder: Path | str) -> list[tuple]:
    """The records of a run, without times."""
    fields = ("step", "loss", "gradient_norm", "d_points", "lam", "eigenvalue_max")
    records = RunFolder.open(str(folder)).read_metrics()
    return [tuple(line.get(name) for name in fields) for line in records if "loss" in line]


def wait_for(folder: Path, step: int) -> None:
    """Until a checkpoint is there: it is written beside the steps."""
    for _ in range(600):
        if step in {found.step for found in store.listed(str(folder))}:
            return
        time.sleep(0.05)
    pytest.fail(f"no checkpoint of step {step} in {folder}")


@pytest.mark.parametrize(
    "coupling",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "vectors" else name
        for name in COUPLINGS
    ],
)
def test_a_run_that_was_interrupted_and_resumed_is_one_that_was_not(tmp_path, coupling):
    words = [*COUPLINGS[coupling], "--lam.type", "annealed", "--cluster.workers", "2"]
    words += ["--noise.type", "exponential", "--noise.scale", "0.1", "--similarity", "0.01"]
    words = [word for word in words if word != "30"]
    whole = start(tmp_path / "whole", *words)
    start(tmp_path / "cut", *words, stop=25)
    resumed = resume(tmp_path / "cut")
    assert whole is not None
    assert resumed.loss == whole.loss
    np.testing.assert_array_equal(saved(tmp_path / "cut"), saved(tmp_path / "whole"))
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    names = [sorted(RunFolder(str(tmp_path / n)).sample_uris()) for n in ("cut", "whole")]
    assert names[0] == names[1]


@pytest.mark.parametrize("signals", [1, 2])
def test_a_signal_in_the_middle_of_a_block_loses_no_record(tmp_path, monkeypatch, signals):
    whole = start(tmp_path / "whole")
    advance, handler = Guarded.advance, signal.signal(signal.SIGTERM, signal.default_int_handler)

    def advance_and_signal(self, steps):
        report = advance(self, steps)
        if len(curve(tmp_path / "cut")) == 2:  # after 15 steps, where no checkpoint is due
            for _ in range(signals):
                signal.raise_signal(signal.SIGTERM)
        return report

    monkeypatch.setattr(Guarded, "advance", advance_and_signal)
    assert start(tmp_path / "cut") is None
    monkeypatch.undo()
    signal.signal(signal.SIGTERM, handler)
    # The second signal does not wait for the record, so the state is not saved either.
    assert max(found.step for found in store.listed(str(tmp_path / "cut"))) == (15, 10)[signals - 1]
    resumed = resume(tmp_path / "cut")
    assert whole is not None
    assert resumed.loss == whole.loss
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")


@pytest.mark.parametrize("coupling", ["exact", "batchwise", "generator"])
@pytest.mark.parametrize("workers", [1, 3, 8])
def test_a_run_of_four_workers_goes_on_with_another_number(tmp_path, coupling, workers):
    words = [*COUPLINGS[coupling], "--cluster.workers", "4"]
    whole = start(tmp_path / "whole", *words)
    start(tmp_path / "cut", *words, stop=20)
    resumed = resume(tmp_path / "cut", "--cluster.workers", str(workers))
    assert whole is not None
    assert resumed.loss == pytest.approx(whole.loss, rel=1e-9)
    error = 1e-7 if coupling == "exact" else 0  # saved in float32
    np.testing.assert_allclose(
        saved(tmp_path / "cut"), saved(tmp_path / "whole"), rtol=0, atol=error
    )


def test_a_finished_run_takes_more_steps(tmp_path):
    start(tmp_path / "whole", "--steps", "60")
    start(tmp_path / "more")
    with pytest.raises(InputError, match="has taken 40 steps, and steps is 40"):
        resume(tmp_path / "more")
    resume(tmp_path / "more", "--steps", "60")
    np.testing.assert_array_equal(saved(tmp_path / "more"), saved(tmp_path / "whole"))
    result = RunFolder(str(tmp_path / "more")).read_result()
    assert result is not None
    assert result["steps"] == 60


def test_another_configuration_or_other_data_is_refused_with_the_difference(tmp_path):
    start(tmp_path / "run", stop=20)
    with pytest.raises(InputError, match=r"\(kernel\.name: cnn-small, not fnn; seed: 3, not 0\)"):
        resume(tmp_path / "run", "--seed", "3", "--kernel", "cnn-small")
    rows = np.random.default_rng(0).uniform(size=(12, 2))
    file = tmp_path / "rows.npy"
    words = ["--data.type", "array", "--data.uri", str(file)]
    np.save(file, rows)
    data = [word for word in WORDS if word not in ("--data.type", "mixture")]
    given = config.load(None, [*data, *words, "--run_uri", str(tmp_path / "array")])
    with pytest.raises(KeyboardInterrupt):
        distributed.run(given, Stopping(20))
    np.save(file, rows + 1e-3)
    with pytest.raises(InputError, match="the real rows are not those"):
        resume(tmp_path / "array")


def test_an_unfinished_run_says_how_to_resume_it(tmp_path):
    start(tmp_path / "run", stop=20)
    with pytest.raises(InputError, match=rf"did not finish: go on with `ganntk resume {tmp_path}"):
        start(tmp_path / "run")
    nowhere = config.load(None, ["--run_uri", str(tmp_path / "nowhere")])
    with pytest.raises(InputError, match="no run"):
        distributed.resume(nowhere, Stopping())


def test_a_run_that_is_going_on_is_not_resumed(tmp_path):
    class Second(Stopping):
        def step(self, step, *rest):
            if step == 20:
                wait_for(tmp_path / "run", 10)
                with pytest.raises((InputError, CheckpointError), match="another run writes there"):
                    resume(tmp_path / "run")
                (tmp_path / "seen").touch()

    given = config.load(None, [*WORDS, "--run_uri", str(tmp_path / "run")])
    distributed.run(given, Second())
    assert (tmp_path / "seen").exists()


def test_images_of_a_run_whose_store_fails_at_the_end_are_saved_elsewhere(tmp_path):
    class Breaking(Stopping):
        def step(self, step, *rest):
            if step == 40:
                wait_for(tmp_path / "run", 30)
                shutil.rmtree(tmp_path / "run" / "checkpoints")
                (tmp_path / "run" / "checkpoints").write_text("in the way")

    given = config.load(None, [*WORDS, "--run_uri", str(tmp_path / "run")])
    with pytest.raises(CheckpointError, match="the images are saved in") as caught:
        distributed.run(given, Breaking())
    path = str(caught.value).split("saved in ")[1].split(",")[0]
    assert np.load(path).shape == (9, 2)
    os.unlink(path)


LONG = [
    *["--kernel", "cnn-small", "--data.size", "300", "--lam", "3"],  # a step takes about 0.1 s
    *["--steps", "200", "--report_every", "2", "--sample_every", "100", "--precision", "float64"],
    *["--checkpoints.every", "4", "--cluster.address", "local", "--cluster.workers", "2"],
    *["--solver", "lanczos", "--coupling.exchange", "rows"],
]
ACTS = ["driver", "worker", "both", "SIGTERM"]


def command(*words: str, home: Path, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "ganntk", *words],
        env=os.environ | {"HOME": str(home)} | variables,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen, act: str) -> None:
    """Do to a run what happens on clusters."""
    below = psutil.Process(process.pid).children(recursive=True)
    if act in ("worker", "both"):
        workers = [p for p in below if re.match(r"ray::\w*Worker\b", " ".join(p.cmdline()))]
        workers[-1].send_signal(signal.SIGKILL)
    if act in ("driver", "both"):
        process.send_signal(signal.SIGKILL)
    if act == "SIGTERM":
        process.send_signal(signal.SIGTERM)
    if act != "worker":
        process.wait(120)
        for left in below:
            if left.is_running():
                left.kill()


def tortured(run: str, moments: int, home: Path, **variables: str) -> int:
    """Start a run, end it at random moments, resume it until it is done; how often it ended."""
    draw, ends = random.Random(0), 0
    words = ["synthesize", *LONG, "--run_uri", run]
    while True:
        process = command(*words, home=home, **variables)
        while ends < moments and process.poll() is None:
            act = ACTS[ends % len(ACTS)]
            _wait_for_steps(process, run)
            time.sleep(draw.uniform(0, 0.6))
            if process.poll() is None:
                end(process, act)
                ends += 1
            if act != "worker":  # which the run itself replaces
                break
        _, errors = process.communicate(timeout=300)
        if process.returncode == 0:
            return ends
        assert process.returncode in (-signal.SIGKILL, 130), errors[-3000:]
        has_checkpoint = bool(store.listed(run))
        words = ["resume", run] if has_checkpoint else words
        if not has_checkpoint:
            storage.remove(run)


def _wait_for_steps(process: subprocess.Popen, run: str) -> None:
    """Until the run has a checkpoint that it did not have, or ends."""
    before = {found.step for found in store.listed(run)}
    for _ in range(600):
        if process.poll() is not None or {found.step for found in store.listed(run)} - before:
            return
        time.sleep(0.2)
    pytest.fail(f"{run} has no new checkpoint after 120 s")


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("where", ["local", "s3"])
def test_a_run_that_ends_at_ten_random_moments_ends_bit_for_bit_as_one_that_does_not(
    tmp_path, where, monkeypatch
):
    whole = command("synthesize", *LONG, "--run_uri", str(tmp_path / "whole"), home=tmp_path)
    assert whole.wait(600) == 0
    if where == "local":
        ends = tortured(str(tmp_path / "run"), 10, tmp_path)
        found = str(tmp_path / "run")
        assert curve(found) == curve(tmp_path / "whole")
        np.testing.assert_array_equal(saved(found), saved(tmp_path / "whole"))
    else:
        with served() as url:
            for name, value in environment(url).items():
                monkeypatch.setenv(name, value)
            forget_stores()
            found = f"s3://{BUCKET}/run"
            ends = tortured(found, 10, tmp_path, **environment(url))
            assert curve(found) == curve(tmp_path / "whole")
            np.testing.assert_array_equal(saved(found), saved(tmp_path / "whole"))
            forget_stores()
    assert ends == 10
