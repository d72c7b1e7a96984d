"""The command `ganntk`, as a person meets it: exit status, streams, one-line errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ganntk.cli import main

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
