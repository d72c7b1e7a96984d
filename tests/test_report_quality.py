"""What a report says of a run that was watched, or evaluated."""

import re

import pytest

from ganntk import report, storage
from ganntk.telemetry import JsonlSink, Recorder
from tests.report_runs import SAVED, Clock, Page, digits_run


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> str:
    folder = digits_run(str(tmp_path_factory.mktemp("runs") / "digits"))
    return storage.read_text(report.write(folder.uri))


QUALITY = {
    "reference": "a <b> of digits",
    "reference_count": 1000,
    "training_count": 64,
    "noise": 0.1,
    "columns": {"am_ssim": "AM-SSIM", "precision": "precision", "memorisation": "memorisation"},
    "tables": [
        {
            "features": "structural similarity",
            "sets": [
                {
                    "name": name,
                    "count": 64,
                    "numbers": {
                        "am_ssim": {"value": value, "low": value - 0.02, "high": value + 0.01},
                        "memorisation": {"value": 1.0, "low": 1.0, "high": 1.0},
                    },
                }
                for name, value in (("generated", 0.876), ("held-out", 0.643))
            ],
        }
    ],
}


def evaluated(uri: str) -> str:
    folder = digits_run(uri)
    folder.write_quality(QUALITY)
    return storage.read_text(report.write(folder.uri))


def test_an_evaluation_is_a_table_with_its_intervals(tmp_path):
    text = evaluated(str(tmp_path / "run"))
    assert "<h2>Quality</h2>" in text
    assert re.findall(r"<td>(0\.[^<]* ± [^<]*)</td>", text) == ["0.876 ± 0.020", "0.643 ± 0.020"]
    assert text.count("<td>1.00</td>") == 2
    # A measure that no set has is no column.
    assert '<th scope="col">AM-SSIM</th><th scope="col">memorisation</th></tr>' in text
    assert "a &lt;b&gt; of digits" in text


def test_a_run_without_an_evaluation_has_no_such_section(digits):
    assert "<h2>Quality</h2>" not in digits


def test_lines_of_an_evaluation_are_no_steps_of_the_samples(tmp_path):
    text = evaluated(str(tmp_path / "run"))
    # The script takes every line of a table of the class steps for a picture.
    (steps,) = re.findall(r'<table class="steps">.*?</table>', text, re.DOTALL)
    assert steps.count("<tr>") == len(SAVED) + 1


def watched_run(uri: str, ending: dict, **more: float) -> str:
    folder = digits_run(uri)
    recorder = Recorder([JsonlSink(storage.AppendLog(folder.path("metrics.jsonl")))], Clock())
    for step in range(10, 60, 10):
        recorder.record(step, {"memorisation": step / 50, "loss_per_real": 0.3, **more})
    recorder.close()
    folder.write_result({**folder.read_result(), "stopping": ending})
    return storage.read_text(report.write(folder.uri))


def test_a_watched_run_shows_where_it_stopped_and_why(tmp_path):
    ending = {"last_step": 30, "kept_step": 20, "reason": "the score <rose>"}
    text = watched_run(str(tmp_path / "run"), ending, am_ssim=0.6, held_out_distance=0.01)
    assert "<h2>Fidelity and novelty</h2>" in text
    assert (
        "Stopped at step 30, because the score &lt;rose&gt;; the rows of step 20 are kept." in text
    )
    (path,) = re.findall(r'aria-label="(distance to held-out rows against [^"]*)"', text)
    assert path.endswith("over 5 checks, step 20 marked")
    for title in ("Memorisation score", "AM-SSIM", "Distance to held-out rows"):
        assert f"<figcaption>{title} <" in text
    assert len(set(Page(text).ids)) == len(Page(text).ids)


def test_without_held_out_rows_fidelity_is_the_loss(tmp_path):
    ending = {"last_step": 50, "kept_step": 50, "reason": None}
    text = watched_run(str(tmp_path / "run"), ending)
    assert 'aria-label="loss per real row against memorisation score over 5 checks' in text
    assert "All 50 steps were taken; the rows of step 50 are kept." in text
    assert "Distance to held-out rows" not in text


def test_a_run_that_was_not_watched_has_no_such_section(digits):
    assert "<h2>Fidelity and novelty</h2>" not in digits
