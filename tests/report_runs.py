"""Run folders as the driver would write them, and what a page of HTML holds."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
from sklearn.datasets import load_digits

from ganntk import storage
from ganntk.metrics.nearest import nearest
from ganntk.run_folder import RunFolder
from ganntk.telemetry import JsonlSink, Recorder

SAVED = (0, 20, 60, 150, 300, 500)
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
