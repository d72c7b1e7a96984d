"""Images as codes of an autoencoder: range, shapes, weights that travel, runs in latent space."""

import json
import subprocess
import sys

import numpy as np
import pytest

from ganntk import autoencoder, config, distributed, storage
from ganntk.autoencoder import Shape
from ganntk.data.digits import Digits
from ganntk.data.encoded import Encoded
from ganntk.errors import InputError
from ganntk.run_folder import RunFolder


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


def curve(folder) -> list[tuple]:
    records = RunFolder.open(str(folder)).read_metrics()
    return [(line["step"], line["loss"], line["lam"]) for line in records if "loss" in line]


QUICK = Encoded(
    of=Digits(size=24),
    training=Digits(size=600),
    channels=(16,),
    steps=800,
    batch=32,
    learning_rate=6e-3,
)
SPACE = "memory://autoencoders"


@pytest.fixture(scope="module")
def codes() -> np.ndarray:
    return QUICK.load().rows


def test_codes_are_small_images_in_the_range_of_pixels(codes):
    assert codes.shape == (24, 4, 4, 4)
    assert codes.dtype == np.float32
    assert 0 <= codes.min() < 0.4 < 0.6 < codes.max() <= 1


def test_decoded_codes_are_the_images_they_were_made_of(codes):
    images, shown = QUICK.of.load().rows, QUICK.shown(codes)
    assert shown.shape == images.shape
    error = np.mean(np.square(shown - images))
    # A tenth of what the mean image is off by.
    assert error < 0.1 * np.mean(np.square(images - images.mean(axis=0)))
    part = QUICK.shown(codes[3:5])
    np.testing.assert_allclose(part, shown[3:5], atol=1e-6)


def test_images_that_are_mostly_black_do_not_come_out_black():
    dark = np.zeros((40, 16, 16, 1), np.float32)
    for i, row in enumerate(dark):
        row[2 + i % 12 : 4 + i % 12, 3 + i % 9 : 5 + i % 9] = 1
    shape = Shape((16, 16, 1), (8,), 2)
    weights = autoencoder.train(shape, dark, steps=300, learning_rate=5e-3, batch=16, seed=0)
    shown = autoencoder.decode(shape, weights, autoencoder.encode(shape, weights, dark))
    assert shown[dark == 1].mean() > 0.5 > 0.1 > shown[dark == 0].mean()


def test_weights_are_written_once_and_read_back(codes):
    uri = f"{SPACE}/weights.npz"
    kept = Encoded(**{**vars(QUICK), "weights_uri": uri})
    np.testing.assert_array_equal(kept.load().rows, codes)
    assert storage.exists(uri)
    # Other steps would train other weights: it is the file that is used.
    other = Encoded(**{**vars(kept), "steps": 1})
    np.testing.assert_array_equal(other.load().rows, codes)
    with pytest.raises(InputError, match="give the channels that it was trained with"):
        Encoded(**{**vars(kept), "code_channels": 3}).load()
    storage.write_bytes(uri, b"no npz")
    with pytest.raises(InputError, match="holds no weights"):
        kept.load()
    storage.remove(SPACE)


def test_impossible_networks_are_refused():
    with pytest.raises(InputError, match="4 stages halve the side of images of 8 x 8"):
        Shape((8, 8, 1), (2, 2, 2, 2), 4)
    with pytest.raises(InputError, match="at least one stage and positive widths"):
        Shape((8, 8, 1), (), 4)
    with pytest.raises(InputError, match=r"data\.steps is 0"):
        Encoded(steps=0)


WORDS = [
    *["--data.type", "encoded", "--data.of.size", "16", "--data.channels", "[8]"],
    *["--data.steps", "10", "--kernel", "fnn", "--lam", "5", "--steps", "20"],
    *["--report_every", "5", "--checkpoints.every", "5", "--sample_every", "20"],
]


GENERATOR = [
    *["--coupling.type", "generator", "--coupling.batch", "8"],
    *["--coupling.network.type", "dense", "--points.count", "16"],
]


@pytest.mark.parametrize("words", [[], GENERATOR], ids=["points", "generator"])
def test_a_latent_run_leaves_images_and_resumes_to_the_same(tmp_path, words):
    def given(name: str) -> config.RunConfig:
        return config.load(None, [*WORDS, *words, "--run_uri", str(tmp_path / name)])

    whole = distributed.run(given("whole"), Stopping())
    with pytest.raises(KeyboardInterrupt):
        distributed.run(given("cut"), Stopping(10))
    resumed = distributed.resume(given("cut"), Stopping())
    assert resumed.loss == whole.loss
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    images = [RunFolder.open(str(tmp_path / n)).read_images() for n in ("whole", "cut")]
    assert images[0] is not None
    assert images[1] is not None
    assert images[0].rows.shape == (16, 8, 8, 1)
    np.testing.assert_array_equal(images[0].rows, images[1].rows)
    real = RunFolder.open(str(tmp_path / "cut")).read_real()
    assert real is not None
    assert real.shape == (16, 8, 8, 1)


def test_a_latent_run_is_resumed_in_another_process(tmp_path):
    """Which trains the same autoencoder again: its codes have the fingerprint of the run's."""
    words = [*WORDS, "--run_uri", str(tmp_path / "whole")]
    whole = distributed.run(config.load(None, words), Stopping())
    cut = config.load(None, [*WORDS, "--run_uri", str(tmp_path / "cut")])
    with pytest.raises(KeyboardInterrupt):
        distributed.run(cut, Stopping(10))
    done = subprocess.run(
        [sys.executable, "-m", "ganntk", "resume", str(tmp_path / "cut")],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert json.loads(done.stdout.splitlines()[-1])["loss"] == whole.loss
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")


def test_weights_need_no_pickle(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, a=np.array([{"no": "array"}], dtype=object))
    with pytest.raises(InputError, match="holds no weights"):
        autoencoder.load(str(path))
