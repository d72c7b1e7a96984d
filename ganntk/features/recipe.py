"""How the small classifier is built and trained: the same images give the same weights. Layer 2.

Convolutions 3 x 3 with ReLU and means of 2 x 2 positions until a side is at most 8, a hidden layer
of 128, and an output for each class; four passes of Adam over the images in batches of 128 with the
cross-entropy of the labels, the step falling to zero along a cosine. Every tenth image, 2,000 at
most, is kept to say how often the classifier is right.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx, traverse_util
from jaxtyping import Array, Float, Float32, Int

from ganntk.errors import InputError

VERSION = "1"
"""Part of the name of cached weights: raise it when anything in this module changes."""

FEATURES = 128
_CHANNELS = (16, 32, 64, 64, 64)
_SMALLEST = 8
_PASSES, _BATCH, _STEP, _SEED = 4, 128, 2e-3, 0
_FEWEST, _MOST_KEPT = 100, 2000


class Trained(NamedTuple):
    """A trained classifier.

    Attributes:
        weights: the array of each weight by its path in the network, as ``hidden/kernel``.
        accuracy: share of the images kept aside whose class it names.
    """

    weights: Mapping[str, Array]
    accuracy: float


class Classifier(nnx.Module):
    """A convolutional classifier of images of one shape."""

    def __init__(self, row_shape: tuple[int, int, int], classes: int, *, rngs: nnx.Rngs):
        height, width, channels = row_shape
        stages = []
        for out in _CHANNELS:
            if min(height, width) <= _SMALLEST and stages:
                break
            stages.append(nnx.Conv(channels, out, (3, 3), rngs=rngs))
            height, width, channels = max(1, height // 2), max(1, width // 2), out
        self.stages = nnx.List(stages)
        self.hidden = nnx.Linear(height * width * channels, FEATURES, rngs=rngs)
        self.output = nnx.Linear(FEATURES, classes, rngs=rngs)

    def features(self, rows: Float[Array, "rows h w c"]) -> Float[Array, "rows d"]:
        """The hidden layer of images in [0, 1]."""
        x = 2 * rows - 1
        for stage in self.stages:
            x = jax.nn.relu(stage(x))
            window = tuple(min(2, side) for side in x.shape[1:3])
            x = nnx.avg_pool(x, window, window)
        return jax.nn.relu(self.hidden(x.reshape(len(x), -1)))

    def __call__(self, rows: Float[Array, "rows h w c"]) -> Float[Array, "rows classes"]:
        """The logits of images in [0, 1]."""
        return self.output(self.features(rows))


def train(
    rows: Float32[np.ndarray, "rows h w c"], labels: Int[np.ndarray, " rows"], classes: int
) -> Trained:
    """Train a classifier.

    Args:
        rows: images in [0, 1].
        labels: the class of each, counted from 0.
        classes: how many there are.

    Raises:
        InputError: there are fewer than two classes, or fewer than 100 images.
    """
    if classes < 2 or len(rows) < _FEWEST:
        raise InputError(
            f"a classifier of {classes} classes from {len(rows)} images: give at least two "
            f"classes and {_FEWEST} images"
        )
    draws = np.random.RandomState(_SEED)
    order = draws.permutation(len(rows))
    kept, used = np.split(order, [min(len(rows) // 10, _MOST_KEPT)])
    batch = min(_BATCH, len(used))
    batches = np.concatenate(
        [_batches(draws.permutation(used), batch) for _ in range(_PASSES)], axis=0
    )
    module = Classifier(_shape(rows), classes, rngs=nnx.Rngs(_SEED))
    graph, weights = nnx.split(module)
    optimizer = optax.adam(optax.cosine_decay_schedule(_STEP, len(batches)))
    moments = optimizer.init(weights)

    def loss(weights: Any, x: Array, y: Array) -> Array:
        logits = nnx.merge(graph, weights)(x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    @jax.jit
    def step(weights: Any, moments: Any, x: Array, y: Array) -> tuple[Any, Any]:
        slope = jax.grad(loss)(weights, x, y)
        moves, moments = optimizer.update(slope, moments, weights)
        return optax.apply_updates(weights, moves), moments

    for chosen in batches:
        weights, moments = step(weights, moments, jnp.asarray(rows[chosen]), labels[chosen])
    right = _predicted(nnx.merge(graph, weights), rows[kept]) == labels[kept]
    flat = traverse_util.flatten_dict(nnx.to_pure_dict(weights))
    by_path = {_path(keys): jnp.asarray(value) for keys, value in flat.items()}
    return Trained(by_path, float(right.mean()))


def restored(trained: Trained, row_shape: tuple[int, ...], classes: int) -> Classifier:
    """The classifier with weights that were trained for images of this shape.

    Raises:
        InputError: the weights are those of another network.
    """
    empty = nnx.eval_shape(
        lambda: Classifier(row_shape, classes, rngs=nnx.Rngs(_SEED))  # type: ignore[arg-type]
    )
    graph, weights = nnx.split(empty)
    expected = {_path(path): leaf.shape for path, leaf in nnx.to_flat_state(weights)}
    given = {path: value.shape for path, value in trained.weights.items()}
    if given != expected:
        raise InputError(
            f"the weights of a classifier have the shapes {given} and this network has {expected}: "
            "delete the cached file, it is written anew"
        )
    # Stages of the network are numbered, and the numbers are no strings there.
    keys = {_path(path): path for path, _ in nnx.to_flat_state(weights)}
    nested = traverse_util.unflatten_dict({keys[p]: v for p, v in trained.weights.items()})
    nnx.replace_by_pure_dict(weights, nested)
    return nnx.merge(graph, weights)


def _path(keys: Iterable[Any]) -> str:
    return "/".join(map(str, keys))


def _shape(rows: np.ndarray) -> tuple[int, int, int]:
    height, width, channels = rows.shape[1:]
    return height, width, channels


def _batches(order: np.ndarray, batch: int) -> np.ndarray:
    """One pass over the images in whole batches."""
    whole = len(order) // batch
    return order[: whole * batch].reshape(whole, batch)


def _predicted(module: Classifier, rows: np.ndarray) -> np.ndarray:
    """The class that the classifier names for each image."""
    parts = [
        np.asarray(module(jnp.asarray(rows[first : first + _BATCH]))).argmax(axis=1)
        for first in range(0, len(rows), _BATCH)
    ]
    return np.concatenate(parts)
