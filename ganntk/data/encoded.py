"""Images of another source as codes of an autoencoder: synthesis in its latent space. Layer 2.

A run on codes is a run like any other: they are small images in [0, 1], and kernels, couplings and
checkpoints know nothing of them. What a person sees of it is decoded.
"""

import dataclasses
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganntk import autoencoder, storage
from ganntk.autoencoder import Shape
from ganntk.data.base import Dataset, Source, make_dataset
from ganntk.data.digits import Digits
from ganntk.errors import InputError

_log = logging.getLogger(__name__)


@Source.register("encoded")
@dataclass(frozen=True)
class Encoded(Source):
    """Codes of images. The autoencoder is trained on them, or on others, or given.

    Attributes:
        of: where the images come from.
        weights_uri: an .npz file of trained weights; written there where there is none yet, and
            read by all. None to train at every start, which is the same again on the same machine
            only.
        training: images to train the autoencoder on, such as all of a set of which `of` takes
            few; None for `of`.
        channels: after each stage of the encoder, which halves the side.
        code_channels: of a code.
        steps: of the training.
        learning_rate: of its first step.
        batch: images of a step.
        training_seed: of weights and batches.
    """

    of: Source = field(default_factory=Digits)
    weights_uri: str | None = None
    training: Source | None = None
    channels: tuple[int, ...] = (16, 32)
    code_channels: int = 4
    steps: int = 2000
    learning_rate: float = 2e-3
    batch: int = 64
    training_seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "learning_rate"):
            if not (value := getattr(self, name)) > 0:
                raise InputError(f"data.{name} is {value}: expected a positive number")
        if self.training_seed < 0:
            raise InputError(f"data.training_seed is {self.training_seed}: expected at least 0")

    def load(self) -> Dataset:
        """Encode the images, after training the autoencoder where it is not given."""
        given = self.of.load()
        codes = autoencoder.encode(self._shape(given.rows.shape), self._weights(), given.rows)
        return make_dataset(self, codes, given.labels, name=f"codes of {given.name}")

    def shown(self, rows: np.ndarray) -> np.ndarray:
        """Codes decoded to images."""
        return autoencoder.decode(self._shape(_shape_of(self.of)), self._weights(), rows)

    def decoder(self, fingerprint: str) -> Callable[[Any], Any]:
        """The same as a function of JAX, where this is the autoencoder of the run."""
        if self.weights_uri is None:
            if self.load().fingerprint != fingerprint:
                raise InputError(
                    "the autoencoder that is trained here is not that of the run: sample on the "
                    "machine of the run, or start runs with data.weights_uri"
                )
        elif not storage.exists(self.weights_uri):
            raise InputError(
                f"no weights of the run's autoencoder at {self.weights_uri}: bring them back, or "
                "name them with --data.weights_uri in the run's config.yaml"
            )
        return autoencoder.decoder(self._shape(_shape_of(self.of)), self._weights())

    def made_shape(self, shown: tuple[int, ...]) -> tuple[int, ...]:
        """Of a code."""
        return self._shape((1, *shown)).code

    def _shape(self, rows: tuple[int, ...]) -> Shape:
        if len(rows) != 4:
            raise InputError(f"rows of shape {rows} cannot be encoded: encoded takes images")
        _, height, width, depth = rows
        return Shape((height, width, depth), self.channels, self.code_channels)

    def _weights(self) -> autoencoder.Arrays:
        if self.weights_uri is None:
            return _trained(self)
        if not storage.exists(self.weights_uri):
            # Several workers train at once, not everywhere to the same bits: the first one's count.
            weights = _trained(dataclasses.replace(self, weights_uri=None))
            autoencoder.save(self.weights_uri, weights)
        return autoencoder.load(self.weights_uri)


@functools.lru_cache(maxsize=2)
def _shape_of(source: Source) -> tuple[int, ...]:
    """Of the rows of a source, loaded once in a process."""
    return source.load().rows.shape


@functools.lru_cache(maxsize=2)
def _trained(source: Encoded) -> dict[str, np.ndarray]:
    """Weights, trained once in a process."""
    dataset = (source.training or source.of).load()
    _log.info("training an autoencoder on %d images", len(dataset.rows))
    return autoencoder.train(
        source._shape(dataset.rows.shape),
        dataset.rows,
        steps=source.steps,
        learning_rate=source.learning_rate,
        batch=source.batch,
        seed=source.training_seed,
    )
