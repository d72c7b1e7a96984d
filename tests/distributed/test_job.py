"""ray_jobs/README.md, line by line, on a real Ray head that asks for its token."""

import ipaddress
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from tests.console import commands_of
from tests.distributed.loopback_head import Head, wait_until
from tests.structure.sources import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.slow]

README = ROOT / "ray_jobs" / "README.md"
# Seconds instead of minutes, and no GPU. An option that stands later wins.
QUICK = ["--kernel", "fnn", "--steps", "4", "--cluster.gpus_per_worker", "0"]


class Job(NamedTuple):
    """A job that was submitted."""

    name: str
    submitted: subprocess.CompletedProcess[str]
    folder: Path


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    head = Head(tmp_path_factory.mktemp("head"))
    try:
        head.wait()
        yield head
    finally:
        head.remove()


def _readme(head: Head, action: str, entry: str = "", **changes: str) -> list[str]:
    """The words of a line of the README, after `ray`, with what belongs to this test in place."""
    # The first line that submits starts a run; the second goes on with one.
    words = commands_of(README, "ray", "job", action)[1 if entry == "resume" else 0]
    changes = {"http://127.0.0.1:8265": head.address} | changes
    return [changes.get(word, word) for word in words[1:]]


def _submit(head: Head, folder: Path, *options: str, no_wait: bool = False) -> Job:
    words = _readme(head, "submit", **{"s3://my-bucket/runs/digits-{time}": str(folder)})
    if no_wait:
        words.insert(words.index("--working-dir"), "--no-wait")
    done = head.ray(*words, *QUICK, *options)
    names = re.findall(r"raysubmit_\w+", done.stdout)
    assert names, done.stdout + done.stderr
    return Job(names[0], done, folder)


@pytest.fixture(scope="module")
def finished(head: Head, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The README's line, to its end."""
    return _submit(head, tmp_path_factory.mktemp("runs") / "run")


def test_the_line_that_submits_runs_to_the_end(head: Head, finished: Job):
    assert finished.submitted.returncode == 0, finished.submitted.stdout[-3000:]
    assert f"Job '{finished.name}' succeeded" in finished.submitted.stdout
    assert (finished.folder / "report.html").exists()
    info = head.get(f"/api/jobs/{finished.name}")
    assert (info["status"], info["driver_exit_code"]) == ("SUCCEEDED", 0)


def test_the_last_line_of_the_logs_is_the_result(head: Head, finished: Job):
    result = json.loads(head.logs(finished.name)[-1])
    assert (result["run_uri"], result["steps"]) == (str(finished.folder), 4)


def test_a_job_uses_the_ganntk_of_its_node(head: Head, finished: Job):
    # Its compiled kernels would be missing from a copy in the job's own folder.
    info = head.get(f"/api/jobs/{finished.name}")
    (package,) = re.findall(r"_ray_pkg_\w+", json.dumps(info["runtime_env"]))
    (folder,) = head.session.glob(f"session_latest/runtime_resources/working_dir_files/{package}")
    assert (folder / "ray_jobs" / "synthesize.py").is_file()
    assert not (folder / "ganntk").exists()


@pytest.mark.parametrize(
    ("action", "said"), [("status", "succeeded"), ("logs", '"run_uri": '), ("list", "SUCCEEDED")]
)
def test_the_lines_that_watch_a_job_say_how_it_went(
    head: Head, finished: Job, action: str, said: str
):
    done = head.ray(*_readme(head, action, raysubmit_ID=finished.name))
    assert done.returncode == 0, done.stderr
    assert finished.name in done.stdout
    assert said in done.stdout


def test_the_line_that_resumes_takes_more_steps(head: Head, tmp_path: Path):
    begun = _submit(head, tmp_path / "run")
    changes = {"s3://my-bucket/runs/digits-20260131-235959": str(begun.folder), "1000": "9"}
    words = _readme(head, "submit", "resume", **changes)
    done = head.ray(*words, "--cluster.gpus_per_worker", "0")
    assert done.returncode == 0, done.stdout[-3000:]
    result = json.loads((begun.folder / "result.json").read_text(encoding="utf-8"))
    assert result["steps"] == 9


def _line_of(job: str) -> list[str]:
    """The README's first line that submits a job, after `ray`."""
    lines = commands_of(README, "ray", "job", "submit")
    return next(words[1:] for words in lines if f"ray_jobs/{job}.py" in words)


def test_the_lines_that_evaluate_and_export_a_run(head: Head, finished: Job, tmp_path: Path):
    made = tmp_path / "made.parquet"
    changes = {
        "http://127.0.0.1:8265": head.address,
        "s3://my-bucket/runs/digits-20260131-235959": str(finished.folder),
        "s3://my-bucket/digits.npz": "digits",
        "s3://my-bucket/digits-made.parquet": str(made),
    }
    for job in ("evaluate", "export"):
        done = head.ray(*(changes.get(word, word) for word in _line_of(job)))
        assert done.returncode == 0, done.stdout[-3000:]
    assert json.loads((finished.folder / "quality.json").read_text(encoding="utf-8"))
    assert pq.read_table(made).num_rows == 64


def test_the_line_that_sweeps_ends_with_an_answer(head: Head, tmp_path: Path):
    changes = {
        "http://127.0.0.1:8265": head.address,
        "s3://my-bucket/runs/sweep-{time}": str(tmp_path / "sweep"),
    }
    words = [changes.get(word, word) for word in _line_of("sweep")]
    quick = ["--run.cluster.gpus_per_worker", "0", "--budget.trials", "2", "--run.steps", "18"]
    done = head.ray(*words, *quick, "--run.data.size", "16")
    assert done.returncode == 0, done.stdout[-3000:]
    result = json.loads((tmp_path / "sweep" / "result.json").read_text(encoding="utf-8"))
    assert (result["trials"], result["failed"]) == (2, 0)
    assert (tmp_path / "sweep" / "best.yaml").is_file()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--kernel", "cnn-minst"], "cnn-minst"),  # found out by the entry point
        (["--data.type", "array", "--data.uri", "nowhere.npy"], "nowhere.npy"),  # by a worker
    ],
)
def test_a_run_that_fails_makes_the_job_fail_with_its_reason_last(
    head: Head, tmp_path: Path, options: list[str], reason: str
):
    job = _submit(head, tmp_path / "run", *options)
    assert job.submitted.returncode == 1
    info = head.get(f"/api/jobs/{job.name}")
    assert (info["status"], info["driver_exit_code"]) == ("FAILED", 2)
    lines = head.logs(job.name)
    assert lines[-1].startswith("ganntk: ")
    assert reason in lines[-1]
    assert "Traceback" not in "\n".join(lines)
    # Whoever followed the logs reads it last, too.
    assert job.submitted.stdout.rstrip().endswith(lines[-1])
    assert not (job.folder / "config.yaml").exists()  # free for the next try


def test_a_job_that_is_stopped_ends_its_workers_and_keeps_what_it_recorded(
    head: Head, tmp_path: Path
):
    job = _submit(head, tmp_path / "run", "--steps", "1000000", no_wait=True)
    assert job.submitted.returncode == 0
    wait_until(lambda: any(" step " in line for line in head.logs(job.name)), seconds=100)
    assert any(line.startswith("ray::") for line in _of_runs(head))
    done = head.ray(*_readme(head, "stop", raysubmit_ID=job.name))
    assert done.returncode == 0, done.stderr
    assert f"Job '{job.name}' was stopped" in done.stdout
    assert head.get(f"/api/jobs/{job.name}")["status"] == "STOPPED"
    assert head.logs(job.name)[-1] == "ganntk: interrupted"
    wait_until(lambda: not _of_runs(head), seconds=20)
    assert (job.folder / "metrics.jsonl").read_text(encoding="utf-8").endswith("}\n")


def _of_runs(head: Head) -> list[str]:
    """Entry points and workers that are alive."""
    lines = head.processes().values()
    return [line for line in lines if "synthesize.py" in line or re.match(r"ray::\w*Worker", line)]


def test_nobody_gets_in_without_the_token(head: Head):
    assert len(head.token) == 64
    assert (head.status("/api/jobs/", ""), head.status("/api/jobs/", "wrong")) == (401, 403)
    done = head.ray(*_readme(head, "list"), RAY_AUTH_MODE="disabled")
    assert done.returncode != 0
    assert "Authentication required" in done.stderr


def test_a_driver_without_the_token_is_told_so_in_one_line(head: Head, tmp_path: Path):
    words = ["--cluster.address", head.cluster_address, "--run_uri", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-m", "ganntk", "synthesize", *words],
        # The last makes Ray give up at once.
        env=head.environment
        | {"HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled", "RAY_NUM_REDIS_GET_RETRIES": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert "RAY_AUTH_MODE=token" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_the_head_listens_on_loopback_only_and_shows_the_token_to_nobody(head: Head):
    addresses = [ipaddress.ip_address(ip.removeprefix("::ffff:")) for ip in head.listening()]
    assert addresses
    assert all(address.is_loopback for address in addresses), addresses
    assert [line for line in head.processes().values() if head.token in line] == []


def test_nothing_is_left_when_the_head_has_ended(head: Head):
    assert head.processes()
    head.end()
    wait_until(lambda: not head.processes(), seconds=20)
    left = [path.relative_to(head.home) for path in head.home.rglob("*") if path.is_file()]
    assert [path.as_posix() for path in left] == [".ray/auth_token"]
