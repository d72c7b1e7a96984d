"""A run whose object store is not reached any more."""

import os

import fsspec.config
import numpy as np
import pytest

from ganntk import config, distributed
from ganntk.errors import CheckpointError
from ganntk.storage import trees
from tests.checkpoint.conftest import forget_stores

pytestmark = [pytest.mark.usefixtures("quick_compile"), pytest.mark.timeout(600)]

WORDS = [
    *["--kernel", "fnn", "--data.type", "mixture", "--data.size", "12", "--lam", "30"],
    *["--steps", "40", "--report_every", "5", "--sample_every", "20", "--precision", "float64"],
    *["--checkpoints.every", "10", "--points.count", "9"],
]


class Breaking:
    """Watches a run, and closes each connection that brings some files after a step."""

    def __init__(self, proxy, path: str) -> None:
        self.proxy, self.path = proxy, path

    def phase(self, sentence: str) -> None:
        """Say nothing."""

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """Break the store."""
        if step == 15:
            self.proxy.fail("PUT", self.path, 0)


@pytest.mark.parametrize("path", ["images/", "metrics.jsonl", "samples/"])
def test_images_are_saved_here_when_the_store_is_not_reached(s3_uri, proxy, monkeypatch, path):
    # A closed connection is an error of botocore, which is no OSError.
    once = {"config_kwargs": {"retries": {"max_attempts": 0}}}
    monkeypatch.setitem(fsspec.config.conf, "s3", once)
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)
    monkeypatch.setattr(trees, "_FIRST_PAUSE_SECONDS", 0.005)
    forget_stores()
    given = config.load(None, [*WORDS, "--run_uri", s3_uri])
    with pytest.raises(CheckpointError, match=r"cannot be written .*the images are saved in") as e:
        distributed.run(given, Breaking(proxy, path))
    saved = str(e.value).split("saved in ")[1].split(",")[0]
    assert np.load(saved).shape == (9, 2)
    os.unlink(saved)
