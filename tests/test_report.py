import itertools
import re

import numpy as np
import pytest

from ganntk import report, storage
from ganntk.errors import InputError
from ganntk.report import curves, pictures
from ganntk.report.contents import MOST_SAMPLES, SAMPLE_BYTES, read
from ganntk.report.numbers import fixed, number, seconds
from ganntk.run_folder import RunFolder
from ganntk.telemetry import JsonlSink, Recorder
from tests.report_runs import CONFIG, SAVED, Clock, Page, digits_run, mixture_run, write_run

DASH = "\N{EN DASH}"
NUMBERS = [
    (None, DASH),
    (0, "0"),
    (5.12, "5.12"),
    (-0.5, "\N{MINUS SIGN}0.5"),
    (1234.5, "1,234"),
    (0.00012, "1.2·10⁻⁴"),
    (1e7, "10⁷"),
    (float("nan"), "not finite"),
    ("cpu", "cpu"),
]
FIXED = [(None, DASH), (0.5, "0.500"), (12.0, "12.0"), (123.4, "123"), (1e-5, "10⁻⁵")]
DURATIONS = [(None, DASH), (0.034, "0.034 s"), (12.61, "12.6 s"), (3599.6, "1 h 0 min")]


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> str:
    folder = digits_run(str(tmp_path_factory.mktemp("runs") / "digits"))
    return storage.read_text(report.write(folder.uri))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory) -> str:
    folder = mixture_run(str(tmp_path_factory.mktemp("runs") / "mixture"))
    return storage.read_text(report.write(folder.uri))


def test_report_lies_in_the_run_folder(tmp_path):
    RunFolder.create(str(tmp_path / "run"), CONFIG)
    assert report.write(str(tmp_path / "run")) == str(tmp_path / "run" / "report.html")


@pytest.mark.parametrize("kind", ["digits", "mixture"])
def test_report_asks_for_nothing_outside_itself(kind, request):
    text = request.getfixturevalue(kind)
    links = Page(text).links
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest", text)


@pytest.mark.parametrize("kind", ["digits", "mixture"])
def test_every_picture_has_words(kind, request):
    text = request.getfixturevalue(kind)
    assert Page(text).silent == []
    assert (
        len(re.findall(r'<svg [^>]*role="img" aria-label="[^"]+"', text)) == Page(text).tags["svg"]
    )


def test_headings_start_at_one_and_skip_no_level(digits):
    levels = Page(digits).headings
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_ids_of_all_drawings_differ(digits):
    ids = Page(digits).ids
    assert len(set(ids)) == len(ids)


def test_configuration_is_escaped(digits):
    assert "<script>alert" not in digits
    assert "&lt;script&gt;alert" in digits


def test_name_of_the_run_is_escaped(tmp_path):
    uri = str(tmp_path / "<b>bold")
    RunFolder.create(uri, CONFIG)
    assert "<b>bold" not in storage.read_text(report.write(uri))


def test_digits_report_has_every_section(digits):
    for title in (
        "Real and generated",
        "How the samples grew",
        "Curves",
        "Nearest real images",
        "Time, machine, versions",
        "Configuration",
    ):
        assert f"<h2>{title}</h2>" in digits


def test_sixteen_generated_images_stand_above_their_nearest_real_ones(digits):
    assert digits.count('<figure class="pair">') == 16
    assert digits.count("its nearest real image") == 16


def test_without_script_the_last_samples_are_shown(digits):
    frames = re.findall(r'<img data-step="(\d+)"( hidden)?', digits)
    assert [int(step) for step, _ in frames] == list(SAVED)
    assert [not hidden for _, hidden in frames] == [False] * 5 + [True]


def test_first_and_last_samples_are_kept_when_there_are_many(tmp_path):
    folder = RunFolder.create(str(tmp_path / "run"), CONFIG)
    for step in range(0, 40 * 5, 5):
        folder.write_samples(step, np.zeros((1, 2, 2, 1), np.float32))
    text = storage.read_text(report.write(folder.uri))
    steps = [int(step) for step in re.findall(r'data-step="(\d+)"', text)]
    assert len(steps) == MOST_SAMPLES
    assert (steps[0], steps[-1]) == (0, 195)


def test_large_samples_are_fewer(tmp_path):
    folder = RunFolder.create(str(tmp_path / "run"), CONFIG)
    for step in range(10):
        storage.write_bytes(folder.path("samples", f"{step:08d}.png"), bytes(SAMPLE_BYTES))
    assert list(read(folder).samples) == [0, 3, 6, 9]


def test_mixture_is_drawn_in_the_plane(mixture):
    assert 'aria-label="real and generated points"' in mixture
    assert "Nearest real images" not in mixture


def test_status_says_whether_the_run_finished(digits, tmp_path):
    RunFolder.create(str(tmp_path / "run"), CONFIG)
    started = storage.read_text(report.write(str(tmp_path / "run")))
    assert '<span class="status finished">finished</span>' in digits
    assert '<span class="status unfinished">unfinished</span>' in started


def test_result_without_optional_entries_is_enough(tmp_path):
    folder = RunFolder.create(str(tmp_path / "run"), CONFIG)
    folder.write_result({"steps": 5, "loss": 1.0, "lam": 2.0, "seconds": 3.0, "points": 4})
    assert "<dd>2</dd>" in storage.read_text(report.write(folder.uri))


def test_values_that_were_not_finite_leave_a_gap(tmp_path):
    folder = RunFolder.create(str(tmp_path / "run"), CONFIG)
    recorder = Recorder([JsonlSink(storage.AppendLog(folder.path("metrics.jsonl")))], Clock())
    for step, loss in enumerate((0.5, float("nan"), 0.4)):
        recorder.record(step, {"loss_per_real": loss, "gradient_norm": float("nan")})
    recorder.close()
    text = storage.read_text(report.write(folder.uri))
    assert "Loss per real row" in text
    assert "Gradient norm" not in text


def test_colour_images_are_shown(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.random((9, 12, 10, 3)).astype(np.float32)
    folder = write_run(str(tmp_path / "run"), rows, rows, rows)
    assert storage.read_text(report.write(folder.uri)).count('<figure class="pair">') == 9


def test_report_is_drawn_on_any_storage():
    folder = digits_run("memory://test-report/run")
    assert storage.exists(report.write(folder.uri))


def test_report_of_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no run"):
        report.write(str(tmp_path))


def test_drawing_uses_only_colours_of_the_page():
    line = np.array([[0.0, 1.0], [1.0, 0.1]])
    drawing = curves.curve("a", "a line", {curves.INK: line}, log=True)
    assert re.findall(r"#[0-9a-fA-F]{6}", drawing) == []
    assert "var(--ink)" in drawing


def test_drawing_is_the_same_every_time():
    line = {curves.REAL: np.array([[0.0, 1.0], [1.0, 0.1]])}
    assert curves.curve("a", "a line", line) == curves.curve("a", "a line", line)


def test_pairs_spread_from_the_nearest_to_the_farthest():
    distances = np.array([5, 1, 4, 2, 3], np.float32)
    assert pictures.spread(distances, 3).tolist() == [1, 4, 0]


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_numbers_are_written_for_people(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), FIXED)
def test_numbers_in_columns_keep_their_zeros(value, text):
    assert fixed(value, digits=3) == text


@pytest.mark.parametrize(("value", "text"), DURATIONS)
def test_durations_are_written_for_people(value, text):
    assert seconds(value) == text
