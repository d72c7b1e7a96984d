"""A convolutional network with random weights: nothing to download, nothing to train. Layer 2.

Three convolutions, each followed by a ReLU and by the mean of 2 x 2 positions; the features are the
means and the standard deviations of every channel of every stage over the image. They see strokes
and textures and say little about what an image shows.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.features.base import Extractor, by_blocks, check_images

CHANNELS = (16, 48, 96)
"""Of the three convolutions: 320 features in all."""

_SIDE = 3


@Extractor.register("random")
@dataclass(frozen=True)
class RandomConvolutions(Extractor):
    """Means and standard deviations of the channels of a random network.

    Attributes:
        location: the seed of its weights, 0 when it is empty.
    """

    @property
    def name(self) -> str:
        return "random convolutions" + (f" (seed {self.location})" if self.location else "")

    def extract(self, rows: np.ndarray) -> np.ndarray:
        check_images(rows, what="random convolutions")
        weights = _weights(self._seed(), rows.shape[-1])
        return by_blocks(functools.partial(_features, weights), rows)

    def _seed(self) -> int:
        if self.location and not self.location.isdecimal():
            raise InputError(
                f"the seed of random convolutions is {self.location!r}: write random:3, or random"
            )
        return int(self.location or 0)


def _weights(seed: int, channels: int) -> tuple[Float[Array, "side side in out"], ...]:
    """Weights that keep the variance through a ReLU."""
    # The stream of RandomState is frozen: a seed means the same features in every version.
    draw = np.random.RandomState(seed % 2**32).standard_normal
    found = []
    for width in CHANNELS:
        shape = (_SIDE, _SIDE, channels, width)
        scale = np.sqrt(2 / (_SIDE * _SIDE * channels))
        found.append(jnp.asarray(draw(shape) * scale, jnp.float32))
        channels = width
    return tuple(found)


@jax.jit
def _features(
    weights: tuple[Float[Array, "side side in out"], ...], rows: Float[Array, "rows h w c"]
) -> Float[Array, "rows d"]:
    """The features of one block of images."""
    x, found = 2 * rows - 1, []
    for weight in weights:
        x = jax.lax.conv_general_dilated(
            x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x)
        found += [x.mean(axis=(1, 2)), jnp.sqrt(x.var(axis=(1, 2)) + 1e-8)]
        if min(x.shape[1:3]) > 1:
            x = _halved(x)
    return jnp.concatenate(found, axis=1)


def _halved(x: Float[Array, "rows h w c"]) -> Float[Array, "rows h2 w2 c"]:
    """Means of 2 x 2 positions; a last odd line is left out."""
    total = jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return total / 4
