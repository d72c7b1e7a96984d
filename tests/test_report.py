import itertools
import re
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pytest
from sklearn.datasets import load_digits

from ganntk import report, storage
from ganntk.errors import InputError
from ganntk.metrics.nearest import nearest
from ganntk.report import curves, pictures
from ganntk.report.contents import MOST_SAMPLES, SAMPLE_BYTES, read
from ganntk.report.numbers import fixed, number, seconds
from ganntk.run_folder import RunFolder
from ganntk.telemetry import JsonlSink, Recorder

SAVED = (0, 20, 60, 150, 300, 500)
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
CONFIG = """\
data: {type: digits, size: 64}
kernel: {type: cnn-small}
lam: {type: fixed, value: 5.12}
note: "<script>alert('from the configuration')</script>"
"""
VERSIONS = {"python": "3.11.9", "ganntk": "0.1.0", "jax": "0.10.2", "numpy": "2.4.0"}
MACHINE = {"cpu_count": 2, "device": "cpu", "platform": "Linux x86_64"}


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def write_run(uri: str, real: np.ndarray, final: np.ndarray, start: np.ndarray) -> RunFolder:
    """A run as the driver would write it, from `start` to `final` in 500 steps."""
    folder = RunFolder.create(uri, CONFIG)
    folder.write_real(real)
    clock, rng = Clock(), np.random.default_rng(1)
    recorder = Recorder([JsonlSink(storage.AppendLog(folder.path("metrics.jsonl")))], clock)
    for step in range(0, 501, 5):
        far = np.exp(-step / 70)
        with recorder.phase("steps"):
            clock.now += 0.11 + 0.02 * rng.random()
        if step in SAVED:
            with recorder.phase("samples"):
                folder.write_samples(step, final + far * (start - final), reference=real)
                clock.now += 0.03
        recorder.record(step, measured(step, far, len(real), rng))
    with recorder.phase("nearest"):
        found = nearest(final, real)
        clock.now += 0.05
    d = 0.5 + 0.01 * rng.standard_normal(len(final))
    folder.write_images(
        final, step=500, seed=0, d=d, nearest_real=found.index, nearest_distance=found.distance
    )
    recorder.close()
    folder.write_result(result(uri, len(final), recorder))
    return folder


def measured(step: int, far: float, count: int, rng: np.random.Generator) -> dict[str, float]:
    noise = 1 + 0.04 * rng.standard_normal()
    loss = 0.2503 + 0.2489 * far**1.5 * noise
    return {
        "loss": count * loss,
        "loss_per_real": loss,
        "d_real": 0.5 + 0.48 * far * noise,
        "d_points": 0.5 - 0.47 * far * noise,
        "gradient_norm": 2.1 * far * noise + 0.004 * abs(noise),
        "lam": 5.12 if step < 250 else 6.4,
        "images_per_second": 3100.0,
    }


def result(uri: str, points: int, recorder: Recorder) -> dict:
    return {
        "run_uri": uri,
        "steps": 500,
        "loss": 16.02,
        "loss_per_real": 0.25031,
        "lam": 6.4,
        "seconds": 12.61,
        "points": points,
        "images_per_second": 2538.0,
        "phase_seconds": recorder.phase_seconds(),
        "versions": VERSIONS,
        "machine": MACHINE,
        "seed": 0,
        "kernel": "cnn-small",
        "data": "digits",
    }


def digits_run(uri: str) -> RunFolder:
    rng = np.random.default_rng(0)
    every = (load_digits().images / 16.0).astype(np.float32)[..., None]
    real = every[:64]
    blend = 0.82 * real[rng.permutation(64)] + 0.18 * real[rng.permutation(64)]
    final = np.clip(blend + 0.03 * rng.standard_normal(real.shape), 0, 1).astype(np.float32)
    return write_run(uri, real, final, rng.random(real.shape).astype(np.float32))


def mixture_run(uri: str) -> RunFolder:
    rng = np.random.default_rng(0)
    modes = np.stack(np.meshgrid(*2 * [np.linspace(0.1, 0.9, 5)]), -1).reshape(-1, 2)
    real = modes[rng.integers(25, size=500)] + 0.012 * rng.standard_normal((500, 2))
    final = modes[rng.integers(25, size=100)] + 0.012 * rng.standard_normal((100, 2))
    start = rng.random((100, 2))
    return write_run(uri, *(rows.astype(np.float32) for rows in (real, final, start)))


class Page(HTMLParser):
    """What a page links to, its headings and ids, and images without a text."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.headings, self.ids, self.silent = [], [], [], []
        self.tags = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.links += [v for k, v in attrs if k in ("src", "href", "xlink:href", "srcset")]
        self.ids += [found["id"]] if "id" in found else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.silent += [found] if tag == "img" and not found.get("alt") else []


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
