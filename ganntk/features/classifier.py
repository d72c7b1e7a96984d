"""A small classifier that the program trains itself, on labelled images of a person. Layer 2.

Its features know what tells the classes of these images apart. They are no FID: numbers in the
features of two classifiers, or of the published network, do not compare.
"""

import hashlib
import io
import logging
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from ganntk import storage
from ganntk.data.base import Dataset
from ganntk.data.located import source_of
from ganntk.errors import InputError
from ganntk.features import recipe
from ganntk.features.base import Extractor, by_blocks, check_images
from ganntk.features.recipe import Trained

_log = logging.getLogger(__name__)


@Extractor.register("classifier")
@dataclass(frozen=True)
class TrainedClassifier(Extractor):
    """The last hidden layer of a classifier, 128 numbers.

    Attributes:
        location: the labelled images, as `source_of` takes them.
    """

    @property
    def name(self) -> str:
        return f"own classifier of {self._source_name()}"

    def extract(self, rows: np.ndarray) -> np.ndarray:
        check_images(rows, what="features of a classifier")
        data = self._data()
        if rows.shape[1:] != data.rows.shape[1:]:
            raise InputError(
                f"the classifier of {self.location} is for images of shape {data.rows.shape[1:]} "
                f"and got {rows.shape[1:]}: name labelled images of the same shape"
            )
        trained = self._trained(data)
        module = recipe.restored(
            trained, data.rows.shape[1:], len(np.unique(np.asarray(data.labels)))
        )
        graph, state = nnx.split(module)

        @jax.jit
        def features(block: jax.Array) -> jax.Array:
            return nnx.merge(graph, state).features(block)

        return by_blocks(features, rows)

    def _source_name(self) -> str:
        return self.location.rstrip("/").rsplit("/", 1)[-1] or "no images"

    def _data(self) -> Dataset:
        """The labelled images."""
        if not self.location:
            raise InputError("no labelled images were given: write classifier:IMAGES")
        data = source_of(self.location).load()
        if data.labels is None:
            raise InputError(
                f"{self.location} has no labels and a classifier needs some: put the IDX labels "
                "beside the images, or write {type: array, uri: ..., labels_key: ...}"
            )
        check_images(data.rows, what="a classifier")
        return data

    def _trained(self, data: Dataset) -> Trained:
        """The weights, from the cache where they are there."""
        if self.cache_uri is None:
            return _train(data)
        made_from = f"{recipe.VERSION} {data.fingerprint}"
        identity = hashlib.sha256(made_from.encode()).hexdigest()[:16]
        uri = storage.join(self.cache_uri, f"classifier-{identity}.npz")
        if storage.exists(uri):
            return _read(uri)
        trained = _train(data)
        _log.info("classifier trained, %.1f %% right, in %s", 100 * trained.accuracy, uri)
        _write(uri, trained)
        return trained


def _train(data: Dataset) -> Trained:
    """The weights for classes that are counted from 0."""
    labels, of_row = np.unique(np.asarray(data.labels), return_inverse=True)
    return recipe.train(data.rows, of_row, len(labels))


def _write(uri: str, trained: Trained) -> None:
    """Save plain arrays by the path of each weight: nothing that is executed when it is read."""
    buffer = io.BytesIO()
    arrays = {path: np.asarray(value) for path, value in trained.weights.items()}
    arrays["accuracy"] = np.asarray(trained.accuracy)
    np.savez(buffer, allow_pickle=False, **arrays)
    storage.write_bytes(uri, buffer.getvalue())


def _read(uri: str) -> Trained:
    """Read what `_write` saved."""
    with np.load(io.BytesIO(storage.read_bytes(uri)), allow_pickle=False) as opened:
        arrays = {name: jnp.asarray(opened[name]) for name in opened.files}
    accuracy = float(arrays.pop("accuracy"))
    return Trained(arrays, accuracy)
