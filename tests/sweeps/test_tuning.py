"""Sweeps under Ray Tune on a real Ray: whole, killed and resumed, with trials that fail."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ganntk import config, distributed, storage
from ganntk.run_folder import RunFolder
from ganntk.sweeps import ledger as ledgers
from ganntk.sweeps import settings
from ganntk.sweeps.ledger import State
from ganntk.sweeps.trial import Quiet
from tests.checkpoint.conftest import environment, forget_stores
from tests.checkpoint.s3 import BUCKET, served
from tests.structure.sources import ROOT
from tests.sweeps.given import choices, written

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


def _program(
    scenario: str, file: str, folder: Path | str, *overrides: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return subprocess.run(
        [sys.executable, "-m", "tests.sweeps.events", scenario, file, str(folder), *overrides],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def _carried_out(scenario: str, file: str, folder: Path | str, *overrides: str) -> dict[str, Any]:
    done = _program(scenario, file, folder, *overrides)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def _of_lams(tmp_path: Path, lams: Sequence[float], **changes: Any) -> str:
    """The file of a sweep over a grid of lam alone."""
    given = {"budget": {"trials": 0}} | changes
    space = choices("lam.value", *lams)
    return written(tmp_path / "sweep.yaml", space=space, searcher={"type": "grid"}, **given)


def _ended(folder: Path) -> list[int]:
    """Numbers of trials in the order of their ends."""
    lines = (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    return [event["trial"] for event in map(json.loads, lines) if event["event"] == "ended"]


def _taken_back(folder: Path) -> list[tuple[int, int]]:
    """Where a trial reported a step that does not follow the one before: both steps."""
    reported: dict[int, int] = {}
    found = []
    lines = (folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    for event in map(json.loads, lines):
        if event["event"] == "report":
            before = reported.get(event["trial"], 0)
            reported[event["trial"]] = event["step"]
            if event["step"] <= before:
                found.append((before, event["step"]))
    return found


def _states(folder: Path) -> Mapping[int, State]:
    return {number: trial.state for number, trial in ledgers.read(str(folder)).items()}


def test_a_sweep_ends_with_an_answer_that_a_run_alone_repeats(tmp_path: Path):
    """One bad kernel, one that overflows, and two good ones that ASHA may end early."""
    file = written(
        tmp_path / "sweep.yaml",
        space={
            **choices("kernel", "fnn", "nonsense"),
            **choices("points", {"low": 0.0}, {"low": 0.5}, {"low": -3e38, "high": 3e38}),
        },
        searcher={"type": "grid"},
        scheduler={"type": "asha", "grace": 5, "factor": 2},
        budget={"trials": 0},
    )
    folder = tmp_path / "swept"
    result = _carried_out("quiet", file, folder)
    trials = ledgers.read(str(folder))
    assert result["trials"] == len(trials) == 6
    failed = {n: t.reason for n, t in trials.items() if t.state is State.ERROR}
    assert set(failed) == {2, 3, 4, 5}
    assert "step" in failed[2]  # says at which one the objective left the finite numbers
    assert all("unknown kernel 'nonsense'" in failed[number] for number in (3, 4, 5))
    assert result["finished"] >= 1
    assert result["finished"] + result["stopped"] == 2
    best = config.load(str(folder / "best.yaml"), ["--run_uri", str(tmp_path / "alone")])
    distributed.run(best, Quiet())
    alone = RunFolder(str(tmp_path / "alone")).read_result()
    assert alone is not None
    assert alone["loss_per_real"] == pytest.approx(result["best"], abs=1e-6)

    table = storage.read_table(str(folder / "trials.parquet")).to_pydict()
    assert table["trial"] == list(range(6))
    run = RunFolder.open(table["run_uri"][result["best_trial"]])
    assert run.read_images() is not None
    assert (folder / "sweep.html").stat().st_size > 10_000
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = [line for line in map(json.loads, lines) if line.get("labels") == {"state": "ERROR"}]
    assert last[-1]["trials"] == 4


def test_a_killed_driver_is_resumed_without_repeating_a_trial(tmp_path: Path):
    file = written(
        tmp_path / "sweep.yaml",
        searcher={"type": "optuna", "startup": 2},
        scheduler={"type": "median", "grace": 5, "others": 2},
        budget={"trials": 5},
        concurrent=2,
    )
    folder = tmp_path / "swept"
    assert _program("kill-driver", file, folder).returncode == -signal.SIGKILL
    before = _ended(folder)
    assert 1 <= len(before) < 5
    assert not (folder / "trials.parquet").exists()

    result = _carried_out("quiet", file, folder)
    ended = _ended(folder)
    assert ended[: len(before)] == before
    assert sorted(ended) == list(range(5))  # each once
    assert result["trials"] == 5
    assert all(state.is_ended for state in _states(folder).values())
    assert (folder / "best.yaml").exists()
    # Nothing is left to do, and nothing is done.
    again = _carried_out("quiet", file, folder)
    assert (again["best"], again["best_trial"]) == (result["best"], result["best_trial"])
    assert _ended(folder) == ended


def test_a_lost_trial_goes_on_from_its_checkpoint(tmp_path: Path):
    file = _of_lams(
        tmp_path,
        [1.0, 2.0, 3.0],
        concurrent=1,
        run={"steps": 4000, "report_every": 10, "checkpoints": {"every": 20}},
    )
    folder = tmp_path / "swept"
    result = _carried_out("kill-trial", file, folder)
    assert result["acted"]
    assert result["finished"] == 3
    for number in range(3):
        run = settings.run_of(settings.load(file, ["--sweep_uri", str(folder)]), number, {})
        records = RunFolder(run.run_uri).read_metrics()
        steps = [each["step"] for each in records if "loss" in each]
        assert steps == sorted(set(steps))
        assert steps[-1] == 4000
    # It went on from a checkpoint: not from its first step, and not twice.
    [(before, after)] = _taken_back(folder)
    assert 10 < after <= before


def test_a_trial_that_lost_one_of_its_workers_finishes(tmp_path: Path):
    file = _of_lams(
        tmp_path,
        [1.0, 2.0],
        concurrent=1,
        run={
            "steps": 2000,
            "report_every": 10,
            "checkpoints": {"every": 20},
            "cluster": {"workers": 2, "cpus_per_worker": 0.5},
        },
    )
    folder = tmp_path / "swept"
    result = _carried_out("kill-worker", file, folder)
    assert result["acted"]
    assert (result["finished"], result["failed"]) == (2, 0)
    trials = ledgers.read(str(folder)).values()
    assert sum(trial.end["worker_restarts"] for trial in trials) == 1
    for number in range(2):
        records = RunFolder(str(folder / "trials" / f"{number:05d}")).read_metrics()
        steps = [each["step"] for each in records if "loss" in each]
        assert steps == list(range(10, 2001, 10))


def test_a_sweep_whose_time_is_up_goes_on_with_more(tmp_path: Path):
    file = _of_lams(
        tmp_path,
        [1.0, 2.0, 3.0],
        budget={"trials": 0, "seconds": 15.0},
        concurrent=1,
        run={"steps": 4000, "report_every": 20, "checkpoints": {"every": 40}},
    )
    folder = tmp_path / "swept"
    first = _carried_out("quiet", file, folder)
    assert first["finished"] < 3
    assert (first["stopped"], first["failed"]) == (0, 0)
    before = _ended(folder)
    assert len(before) == first["finished"]
    last = _carried_out("quiet", file, folder, "--budget.seconds", "400")
    assert (last["trials"], last["finished"]) == (3, 3)
    assert _ended(folder)[: len(before)] == before
    assert sorted(_ended(folder)) == [0, 1, 2]


def test_a_sweep_outlives_the_pool_of_what_its_trials_share(tmp_path: Path):
    """Its process may be the one that a machine short of memory ends."""
    file = _of_lams(
        tmp_path,
        [1.0, 2.0, 3.0, 4.0],
        concurrent=1,
        run={"steps": 4000, "report_every": 10},
    )
    result = _carried_out("kill-pool", file, tmp_path / "swept")
    assert result["acted"]
    assert (result["finished"], result["failed"]) == (4, 0)
    # The one that took its place began with nothing: real rows, their Gram matrix.
    assert result["shared"] == [2, 2]


def test_several_workers_stand_in_the_trials_placement_group(tmp_path: Path):
    """On two cores two trials of two workers each take turns, or a second group would hang."""
    file = _of_lams(
        tmp_path,
        [1.0, 2.0],
        run={"cluster": {"workers": 2, "cpus_per_worker": 0.5}},
    )
    folder = tmp_path / "swept"
    result = _carried_out("quiet", file, folder)
    assert result["finished"] == 2
    # Rows and two shares of K(X, X) are asked for by each worker of each trial, and made once.
    assert result["shared"] == [3, 5]
    alone = config.load(str(folder / "best.yaml"), ["--run_uri", str(tmp_path / "alone")])
    assert alone.cluster.workers == 2


def test_a_population_hands_states_on(tmp_path: Path):
    file = written(
        tmp_path / "sweep.yaml",
        scheduler={"type": "pbt", "interval": 10, "quantile": 0.5},
        budget={"trials": 4},
        run={"steps": 60, "report_every": 5, "checkpoints": {"every": 5, "keep": 4}},
    )
    folder = tmp_path / "swept"
    result = _carried_out("quiet", file, folder)
    assert (result["finished"], result["failed"]) == (4, 0)
    events = [json.loads(line) for line in (folder / "ledger.jsonl").open(encoding="utf-8")]
    changes = [event for event in events if event["event"] == "values"]
    assert changes
    for number, trial in ledgers.read(str(folder)).items():
        run = config.load(str(folder / "trials" / f"{number:05d}" / "config.yaml"))
        assert run.lam.value == trial.values["lam.value"]  # type: ignore[attr-defined]
        assert 0.1 <= trial.values["lam.value"] <= 10


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A folder on an S3 server, which this process and its children reach."""
    with served() as url, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(url).items():
            patch.setenv(name, value)
        forget_stores()
        yield f"s3://{BUCKET}/sweeps"
        forget_stores()


def test_a_killed_sweep_on_s3_is_resumed(bucket: str, tmp_path: Path):
    file = written(
        tmp_path / "sweep.yaml",
        scheduler={"type": "asha", "grace": 5, "factor": 2},
        budget={"trials": 4},
    )
    uri = f"{bucket}/killed"
    assert _program("kill-driver", file, uri).returncode == -signal.SIGKILL
    before = ledgers.read(uri)
    done = {n: t.end for n, t in before.items() if t.state.is_ended}
    assert done
    assert _carried_out("quiet", file, uri)["trials"] == 4
    after = ledgers.read(uri)
    assert {number: after[number].end for number in done} == done
    assert all(trial.state.is_ended for trial in after.values())
    assert storage.read_table(f"{uri}/trials.parquet").num_rows == 4
    assert storage.exists(f"{uri}/sweep.html")


def test_a_population_on_s3_hands_states_on(bucket: str, tmp_path: Path):
    file = written(
        tmp_path / "sweep.yaml",
        scheduler={"type": "pbt", "interval": 10, "quantile": 0.5},
        budget={"trials": 4},
        run={"steps": 60, "report_every": 5, "checkpoints": {"every": 5, "keep": 4}},
    )
    uri = f"{bucket}/population"
    result = _carried_out("quiet", file, uri)
    assert (result["finished"], result["failed"]) == (4, 0)
    text = storage.read_text(f"{uri}/ledger.jsonl")
    assert any(json.loads(line)["event"] == "values" for line in text.splitlines())
