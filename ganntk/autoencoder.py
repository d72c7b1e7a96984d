"""A convolutional autoencoder whose codes are images themselves, in [0, 1]. Layer 2.

Codes have fewer pixels and a range like that of pixels, so whatever makes images can make codes.
Weights are a flat dictionary of arrays and travel as an .npz file: nothing is unpickled.
"""

import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx, traverse_util
from jaxtyping import Array, Float, Float32

from ganntk import storage
from ganntk.errors import InputError
from ganntk.typing import Images

Arrays: TypeAlias = Mapping[str, np.ndarray]
"""Weights by the path of their layer."""

_WINDOW = (3, 3)
_AT_ONCE = 256


@dataclass(frozen=True)
class Shape:
    """The layers of an autoencoder, for images of one shape.

    Attributes:
        image: (h, w, c).
        channels: after each stage of the encoder, which halves the side; mirrored by the decoder.
        code_channels: of a code.
    """

    image: tuple[int, int, int]
    channels: tuple[int, ...]
    code_channels: int

    @property
    def code(self) -> tuple[int, int, int]:
        """(h, w, c) of a code."""
        height, width, _ = self.image
        factor = 2 ** len(self.channels)
        return height // factor, width // factor, self.code_channels

    def __post_init__(self) -> None:
        height, width, _ = self.image
        factor = 2 ** len(self.channels)
        if not self.channels or min(*self.channels, self.code_channels) < 1:
            raise InputError(
                f"an autoencoder with channels {self.channels} and {self.code_channels} of a code: "
                "expected at least one stage and positive widths"
            )
        if height % factor or width % factor:
            raise InputError(
                f"{len(self.channels)} stages halve the side of images of {height} x {width}, "
                f"which {factor} does not divide: give fewer channels"
            )


class _Autoencoder(nnx.Module):
    def __init__(self, shape: Shape, rngs: nnx.Rngs) -> None:
        down = (shape.image[2], *shape.channels)
        up = (*shape.channels[::-1], shape.channels[0])
        code, last = shape.code_channels, shape.image[2]
        self.down = nnx.List(
            [nnx.Conv(a, b, _WINDOW, strides=(2, 2), rngs=rngs) for a, b in pairwise(down)]
        )
        self.code = nnx.Conv(down[-1], code, _WINDOW, rngs=rngs)
        self.first = nnx.Conv(code, up[0], _WINDOW, rngs=rngs)
        self.up = nnx.List([nnx.Conv(a, b, _WINDOW, rngs=rngs) for a, b in pairwise(up)])
        self.last = nnx.Conv(up[-1], last, _WINDOW, rngs=rngs)

    def encode(self, images: Images) -> Float[Array, "rows h w c"]:
        features = images
        for layer in self.down:
            features = nnx.silu(layer(features))
        return nnx.sigmoid(self.code(features))

    def logits(self, codes: Float[Array, "rows h w c"]) -> Images:
        features = nnx.silu(self.first(codes))
        for layer in self.up:
            doubled = jnp.repeat(jnp.repeat(features, 2, axis=1), 2, axis=2)
            features = nnx.silu(layer(doubled))
        return self.last(features)

    def decode(self, codes: Float[Array, "rows h w c"]) -> Images:
        return nnx.sigmoid(self.logits(codes))


def train(
    shape: Shape,
    images: Float32[np.ndarray, "rows h w c"],
    *,
    steps: int,
    learning_rate: float,
    batch: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Train on the mean cross-entropy of pixels and their reconstructions.

    An error of pixels themselves would end where all of them are black, on images that mostly are:
    there the slope of a sigmoid is zero. That of the cross-entropy is not.

    Args:
        shape: of the network.
        images: in [0, 1].
        steps: of Adam.
        learning_rate: of the first step; it falls to zero along a cosine.
        batch: images of a step, drawn with replacement.
        seed: of weights and batches.
    """
    graph, _ = nnx.split(nnx.eval_shape(lambda: _Autoencoder(shape, nnx.Rngs(seed))))
    # Compiled in one piece: drawn one by one, every array is a compilation of its own.
    weights = jax.jit(lambda: nnx.split(_Autoencoder(shape, nnx.Rngs(seed)))[1])()
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))
    rows = jnp.asarray(images, jnp.float32)
    key = jax.random.key(seed)

    def loss(weights: Any, chosen: Images) -> Array:
        module = nnx.merge(graph, weights)
        logits = module.logits(module.encode(chosen))
        return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, chosen))

    @jax.jit
    def step(i: Array, weights: Any, moments: Any) -> tuple[Any, Any]:
        chosen = jax.random.randint(jax.random.fold_in(key, i), (batch,), 0, len(rows))
        slope = jax.grad(loss)(weights, rows[chosen])
        moves, moments = optimizer.update(slope, moments, weights)
        return optax.apply_updates(weights, moves), moments

    # A loop of the host: in one of XLA's, convolutions on a CPU are many times slower.
    moments = optimizer.init(weights)
    for i in range(steps):
        weights, moments = step(jnp.asarray(i), weights, moments)
    flat = traverse_util.flatten_dict(nnx.to_pure_dict(weights))
    return {"/".join(map(str, path)): np.asarray(value) for path, value in flat.items()}


def encode(
    shape: Shape, weights: Arrays, images: Float32[np.ndarray, "rows h w c"]
) -> Float32[np.ndarray, "rows h w c"]:
    """The codes of images, in [0, 1]."""
    return _in_blocks(_encoder(shape), restored(shape, weights), images)


def decode(
    shape: Shape, weights: Arrays, codes: Float32[np.ndarray, "rows h w c"]
) -> Float32[np.ndarray, "rows h w c"]:
    """The images of codes, in [0, 1]."""
    return _in_blocks(_decoder(shape), restored(shape, weights), codes)


def decoder(shape: Shape, weights: Arrays) -> Callable[[Float[Array, "rows h w c"]], Images]:
    """The same as a function of JAX, of all rows at once."""
    return functools.partial(_decoder(shape), restored(shape, weights))


def restored(shape: Shape, weights: Arrays) -> Any:
    """The state of the network with these weights.

    Raises:
        InputError: they are those of another network.
    """
    empty = nnx.eval_shape(lambda: _Autoencoder(shape, nnx.Rngs(0)))
    _, state = nnx.split(empty)
    paths = {"/".join(map(str, path)): path for path, _ in nnx.to_flat_state(state)}
    wanted = {"/".join(map(str, path)): leaf.shape for path, leaf in nnx.to_flat_state(state)}
    given = {path: value.shape for path, value in weights.items()}
    if given != wanted:
        raise InputError(
            f"the weights of an autoencoder have the shapes {given} and this one has {wanted}: "
            "give the channels that it was trained with, or another file"
        )
    nested = traverse_util.unflatten_dict(
        {paths[name]: jnp.asarray(value) for name, value in weights.items()}
    )
    nnx.replace_by_pure_dict(state, nested)
    return state


def save(uri: str, weights: Arrays) -> None:
    """Write weights as an .npz file, where there is none: of several writers the first one wins."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **dict(weights))
    storage.write_new(uri, buffer.getvalue())


def load(uri: str) -> dict[str, np.ndarray]:
    """Read what `save` wrote.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    try:
        with np.load(io.BytesIO(storage.read_bytes(uri)), allow_pickle=False) as found:
            return {name: found[name] for name in found.files}
    except (ValueError, OSError, AttributeError) as error:
        raise InputError(f"{uri} holds no weights of an autoencoder: give an .npz file") from error


@functools.cache
def _encoder(shape: Shape) -> Any:
    graph, _ = nnx.split(nnx.eval_shape(lambda: _Autoencoder(shape, nnx.Rngs(0))))
    return jax.jit(lambda state, rows: nnx.merge(graph, state).encode(rows))


@functools.cache
def _decoder(shape: Shape) -> Any:
    graph, _ = nnx.split(nnx.eval_shape(lambda: _Autoencoder(shape, nnx.Rngs(0))))
    return jax.jit(lambda state, rows: nnx.merge(graph, state).decode(rows))


def _in_blocks(function: Any, state: Any, rows: np.ndarray) -> np.ndarray:
    parts = [
        np.asarray(function(state, jnp.asarray(rows[first : first + _AT_ONCE], jnp.float32)))
        for first in range(0, len(rows), _AT_ONCE)
    ]
    return np.concatenate(parts)
