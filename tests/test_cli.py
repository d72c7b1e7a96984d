"""The command `ganntk`, as a person meets it: exit status, streams, one-line errors."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from botocore.exceptions import EndpointConnectionError

from ganntk import cli
from ganntk.cli import main
from ganntk.distributed.recovery import Failure, WorkerFailureError

_SMALL = ["--kernel", "fnn", "--data.type", "mixture", "--data.size", "12", "--lam", "30"]


def run(capsys, *words):
    status = main(words)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_last_line_is_one_json_object(capsys, tmp_path):
    uri = str(tmp_path / "run")
    status, out, err = run(capsys, "synthesize", *_SMALL, "--steps", "3", "--run_uri", uri)
    assert status == 0
    last = json.loads(out.splitlines()[-1])
    assert set(last) == {"run_uri", "steps", "loss", "lam", "seconds", "points"}
    assert (last["run_uri"], last["steps"], last["points"]) == (uri, 3, 12)
    assert "step 3/3" in err
    status, out, _ = run(capsys, "report", uri)
    assert (status, out.strip()) == (0, f"{uri}/report.html")


def save(path, array, **_):
    np.save(path, array)
    return str(path)


@pytest.fixture
def bad_rows(tmp_path):
    """Files with rows that cannot be used, by what is wrong with them."""
    good = np.full((4, 6, 6, 1), 0.5, np.float32)
    nan = good.copy()
    nan[2, 0, 0] = np.nan
    return {
        "outside": save(tmp_path / "outside.npy", good * 400),
        "nan": save(tmp_path / "nan.npy", nan),
        "one": save(tmp_path / "one.npy", good[:1]),
    }


@pytest.mark.parametrize(
    ("which", "part"),
    [("outside", "divide by 255"), ("nan", "not finite"), ("one", "at least two rows")],
)
def test_rows_that_cannot_be_used_end_with_status_2(capsys, tmp_path, bad_rows, which, part):
    words = ["--data.type", "array", "--data.uri", bad_rows[which], "--kernel", "fnn"]
    status, out, err = run(capsys, "synthesize", *words, "--run_uri", str(tmp_path / "run"))
    assert (status, out) == (2, "")
    assert part in err.splitlines()[-1]
    assert err.splitlines()[-1].startswith("ganntk: ")
    assert not (tmp_path / "run" / "config.yaml").exists()


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--stepz", "3"], "did you mean steps"),
        (["--steps", "many"], "many"),
        (["--kernel", "cnn-minst"], "did you mean cnn-mnist"),
        (["--data.type", "idx", "--data.uri", "no/such/file.gz"], "no/such/file.gz"),
    ],
)
def test_what_cannot_be_used_ends_with_one_line_and_status_2(capsys, tmp_path, words, part):
    where = ["--run_uri", str(tmp_path / "run")]
    status, out, err = run(capsys, "synthesize", *words, *where)
    assert (status, out) == (2, "")
    assert part in err.splitlines()[-1]


def test_a_folder_that_holds_a_run_is_refused_with_status_2(capsys, tmp_path):
    words = ["synthesize", *_SMALL, "--steps", "2", "--run_uri", str(tmp_path / "run")]
    assert run(capsys, *words)[0] == 0
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    status, _, err = run(capsys, *words)
    assert status == 2
    assert "already holds a run" in err
    assert before == {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused_with_status_2(capsys, tmp_path):
    tmp_path.chmod(0o500)
    status, _, err = run(capsys, "synthesize", *_SMALL, "--run_uri", str(tmp_path / "run"))
    assert status == 2
    assert "cannot write into the folder" in err


def test_a_run_folder_that_is_a_file_is_refused_with_status_2(capsys, tmp_path):
    (tmp_path / "file").write_text("something")
    uri = str(tmp_path / "file" / "run")
    status, _, err = run(capsys, "synthesize", *_SMALL, "--run_uri", uri)
    assert status == 2
    assert "cannot write into the folder" in err
    assert (tmp_path / "file").read_text() == "something"


def test_doctor_says_what_works(capsys):
    status, out, _ = run(capsys, "doctor")
    assert status == 0
    assert "JAX" in out
    assert "Ray" in out
    assert "MISSING" not in out


def test_a_command_is_needed(capsys):
    status, _, err = run(capsys)
    assert status == 2
    assert "synthesize" in err


def test_both_ways_to_call_it_say_the_version():
    script = str(Path(sys.executable).with_name("ganntk"))
    for command in ([sys.executable, "-m", "ganntk"], [script]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("ganntk 0.")


def test_a_disk_that_takes_nothing_ends_with_status_1_and_one_line(tmp_path):
    rows = save(tmp_path / "rows.npy", np.full((4, 6, 6, 1), 0.5, np.float32))
    # The kernel refuses each byte that a process writes to a file.
    program = (
        "import resource, signal, sys\n"
        "from ganntk.cli import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    words = ["data", "describe", rows, "--sheet", str(tmp_path / "sheet.png")]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("ganntk: files cannot be read or written ([Errno 27] File too")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (WorkerFailureError(Failure.WORKER_LOST, "worker 1 died: look"), "worker 1 died: look"),
        (EndpointConnectionError(endpoint_url="http://x"), "Could not connect to the endpoint"),
    ],
)
def test_a_run_that_fails_ends_with_status_1_and_one_line(capsys, monkeypatch, error, line):
    def fail(*_):
        raise error

    def add_to(commands):
        commands.add_parser("fail").set_defaults(command=fail)

    monkeypatch.setattr(cli, "_MODULES", (SimpleNamespace(add_to=add_to),))
    status, _, err = run(capsys, "fail")
    assert status == 1
    assert line in err
    assert len(err.splitlines()) == 1
