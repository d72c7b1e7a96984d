"""`ganntk evaluate` on a run of the program itself: files, report, errors."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from ganntk import storage
from ganntk.cli import main
from tests.structure.sources import ROOT

RUN = ["--kernel", "cnn-small", "--data.type", "digits", "--data.size", "16", "--lam", "1.28"]


@pytest.fixture(scope="module")
def run_uri(tmp_path_factory) -> str:
    uri = str(tmp_path_factory.mktemp("runs") / "digits")
    words = [*RUN, "--steps", "5", "--optimizer.learning_rate", "0.1", "--run_uri", uri]
    assert main(["synthesize", *words]) == 0
    return uri


def evaluate(capsys, *words: str) -> tuple[int, str, str]:
    status = main(["evaluate", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_tables_are_printed_and_kept_in_the_run_folder(capsys, run_uri):
    status, out, _ = evaluate(capsys, run_uri, "--reference", "digits")
    assert status == 0
    last = json.loads(out.splitlines()[-1])
    assert last == {"quality": f"{run_uri}/quality.json", "report": f"{run_uri}/report.html"}
    quality = json.loads(storage.read_text(last["quality"]))
    assert quality["training_count"] == 16
    assert quality["reference"] == "digits"
    shown = [line for line in out.splitlines() if line.startswith("held-out")]
    value = quality["tables"][0]["sets"][2]["numbers"]["am_ssim"]["value"]
    assert f"{value:.4g} [" in shown[0]


def test_the_report_shows_the_same_numbers(capsys, run_uri):
    evaluate(capsys, run_uri, "--reference", "digits", "--features", "pixels")
    page = storage.read_text(f"{run_uri}/report.html")
    quality = json.loads(storage.read_text(f"{run_uri}/quality.json"))
    assert [table["features"] for table in quality["tables"]][1:] == ["pixels"]
    for table in quality["tables"]:
        assert f"<h3>{table['features']}</h3>" in page
        for line in table["sets"]:
            assert f'<th scope="row">{line["name"]}</th>' in page


def test_a_held_out_set_and_features_of_ones_own_classifier(capsys, run_uri, tmp_path):
    status, out, err = evaluate(
        capsys,
        run_uri,
        *("--reference", "digits"),
        *("--held-out", "{type: digits, size: 60, seed: 4}"),
        *("--features", "classifier:digits", "--cache", str(tmp_path)),
    )
    # The held-out rows are all in the reference, and none may be in two places.
    assert status == 2
    assert "0 held-out rows are left" in err
    status, out, _ = evaluate(
        capsys,
        run_uri,
        *("--reference", "{type: digits, classes: [0, 1, 2, 3, 4, 5, 6]}"),
        *("--held-out", "{type: digits, classes: [7, 8, 9]}"),
        *("--features", "classifier:digits", "--cache", str(tmp_path)),
    )
    assert status == 0
    assert "own classifier of digits" in out
    assert len(list(tmp_path.glob("classifier-*.npz"))) == 1


def test_points_are_measured_by_modes_without_being_asked(capsys, tmp_path):
    uri = str(tmp_path / "run")
    words = ["--kernel", "fnn", "--data.type", "mixture", "--data.size", "60", "--lam", "30"]
    assert main(["synthesize", *words, "--steps", "3", "--run_uri", uri]) == 0
    capsys.readouterr()
    status, out, _ = evaluate(capsys, uri, "--reference", "{type: mixture, size: 500, seed: 9}")
    assert status == 0
    assert out.startswith("25 modes")
    assert "half W2 squared" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--reference", "digits", "--features", "inception"], "weights of the published"),
        (["--reference", "digits", "--noise", "0"], "positive standard deviation"),
        (["--reference", "digits", "--seed", "-1"], "--seed is -1"),
        (["--reference", "{type: mixture}"], "give rows of one shape"),
        (["--reference", "nothing.npz"], "nothing.npz"),
        (["--reference", "digits", "--wrong", "1"], "unexpected '--wrong 1'"),
    ],
)
def test_what_cannot_be_evaluated_ends_with_one_line_and_status_2(capsys, run_uri, words, sentence):
    status, out, err = evaluate(capsys, run_uri, *words)
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_rows_that_left_the_finite_numbers_are_refused(capsys, run_uri, tmp_path):
    rows = np.full((20, 8, 8, 1), 0.5, np.float32)
    rows[3, 0] = np.nan
    np.save(tmp_path / "nan.npy", rows)
    status, _, err = evaluate(capsys, run_uri, "--reference", str(tmp_path / "nan.npy"))
    assert status == 2
    assert "not finite" in err


def test_a_folder_without_a_run_is_refused(capsys, tmp_path):
    status, _, err = evaluate(capsys, str(tmp_path), "--reference", "digits")
    assert status == 2
    assert "holds no run" in err


def test_the_job_evaluates_as_the_command_does(run_uri):
    done = subprocess.run(
        [sys.executable, "ray_jobs/evaluate.py", run_uri, "--reference", "digits"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["quality"] == f"{run_uri}/quality.json"
