r"""Structural similarity to the nearest real image, AM-SSIM of the paper. Layer 2.

$$ \mathrm{SSIM}(a, b) = \mathrm{mean} \,
   \frac{(2 \mu_a \mu_b + c_1)(2 \sigma_{ab} + c_2)}
        {(\mu_a^2 + \mu_b^2 + c_1)(\sigma_a^2 + \sigma_b^2 + c_2)},
   \qquad \text{AM-SSIM} = \tfrac{1}{m} \sum_z \max_x \mathrm{SSIM}(z, x) $$

over windows of 4 x 4 pixels weighted by a Gaussian of standard deviation 1.5, over positions and
channels, with $c_1 = 0.01^2$ and $c_2 = 0.03^2$ for images in [0, 1]: the numbers of
`tf.image.ssim` with the paper's settings. Moments of one image are computed once for a whole block
of pairs, and a pair costs one product of windows: a library's SSIM of pairs costs five filters.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int64

from ganntk.errors import InputError
from ganntk.metrics.samples import as_samples, starts

WINDOW = 4
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2
_BLOCK = 256


class Closest(NamedTuple):
    """For each generated image, the most similar real image seen so far.

    Attributes:
        nearest: which real image; -1 before the first.
        similarity: SSIM to it.
    """

    nearest: Int64[np.ndarray, " rows"]
    similarity: Float32[np.ndarray, " rows"]


def init(count: int) -> Closest:
    """`count` generated images that have been compared with nothing."""
    return Closest(np.full(count, -1, np.int64), np.full(count, -np.inf, np.float32))


def update(
    state: Closest,
    generated: Float32[np.ndarray, "rows h w c"],
    real: Float32[np.ndarray, "others h w c"],
    *,
    first: int = 0,
) -> Closest:
    """Compare all generated images with more real ones.

    Args:
        state: of these generated images.
        generated: images in [0, 1].
        real: images of the same shape.
        first: number of the first of these real images, among all.

    Raises:
        InputError: shapes differ, images are smaller than a window, or values are not finite.
    """
    check_images(generated, real)
    if len(state.nearest) != len(generated):
        raise InputError(
            f"the state is of {len(state.nearest)} images and {len(generated)} were given: "
            "update it with the images that it was made for"
        )
    found = init(len(generated))
    for rows in starts(len(generated), _BLOCK):
        for others in starts(len(real), _BLOCK):
            values = _of_block(generated, rows, real, others)
            best = values.argmax(axis=1)
            value = np.take_along_axis(values, best[:, None], axis=1)[:, 0]
            nearer = value > found.similarity[rows]
            found.nearest[rows] = np.where(nearer, first + others.start + best, found.nearest[rows])
            found.similarity[rows] = np.where(nearer, value, found.similarity[rows])
    return merge(state, found)


def merge(one: Closest, other: Closest) -> Closest:
    """What two shards of real images found for the same generated images; the first on a tie."""
    is_nearer = other.similarity > one.similarity
    return Closest(
        np.where(is_nearer, other.nearest, one.nearest),
        np.where(is_nearer, other.similarity, one.similarity),
    )


def compute(state: Closest) -> float:
    """AM-SSIM: the mean over generated images of the similarity to the most similar real image.

    Raises:
        InputError: there is no image, or nothing it was compared with.
    """
    if len(state.nearest) == 0 or (state.nearest < 0).any():
        raise InputError("AM-SSIM of no images: give at least one generated and one real image")
    return float(state.similarity.mean(dtype=np.float64))


def between(
    generated: Float32[np.ndarray, "rows h w c"], real: Float32[np.ndarray, "others h w c"]
) -> Closest:
    """The most similar real image of each generated image.

    Raises:
        InputError: shapes differ, images are smaller than a window, or values are not finite.

    Example:
        >>> image = np.eye(8, dtype=np.float32)[None, :, :, None]
        >>> between(image, np.concatenate([1 - image, image])).nearest
        array([1])
    """
    return update(init(len(generated)), generated, real)


def pairs(
    one: Float32[np.ndarray, "rows h w c"], other: Float32[np.ndarray, "others h w c"]
) -> Float32[np.ndarray, "rows others"]:
    """SSIM of every image of one set with every image of the other.

    Raises:
        InputError: shapes differ, images are smaller than a window, or values are not finite.
    """
    check_images(one, other)
    found = np.empty((len(one), len(other)), np.float32)
    for rows in starts(len(one), _BLOCK):
        for others in starts(len(other), _BLOCK):
            found[rows, others] = _of_block(one, rows, other, others)
    return found


def matched(
    one: Float32[np.ndarray, "rows h w c"], other: Float32[np.ndarray, "rows h w c"]
) -> Float32[np.ndarray, " rows"]:
    """SSIM of each image with the one in the same place of another set.

    Raises:
        InputError: shapes differ, images are smaller than a window, or values are not finite.
    """
    check_images(one, other)
    if len(one) != len(other):
        raise InputError(f"{len(one)} images have no pairs with {len(other)}: give as many of each")
    found = np.empty(len(one), np.float32)
    for rows in starts(len(one), _BLOCK):
        sides = (_padded(side[rows], min(_BLOCK, len(one))) for side in (one, other))
        found[rows] = np.asarray(_matched(*sides))[: rows.stop - rows.start]
    return found


def check_images(generated: np.ndarray, real: np.ndarray) -> None:
    """Refuse images that have no SSIM to one another.

    Raises:
        InputError: shapes differ, images are smaller than a window, or values are not finite.
    """
    shapes = (generated.shape, real.shape)
    if generated.ndim != 4 or shapes[0][1:] != shapes[1][1:] or 0 in shapes[0] + shapes[1]:
        raise InputError(
            f"images of shape {shapes[0]} and {shapes[1]} have no SSIM: give (n, h, w, c) and "
            "(m, h, w, c), at least one image each"
        )
    if min(shapes[0][1:3]) < WINDOW:
        raise InputError(
            f"images of {shapes[0][1]} x {shapes[0][2]} pixels have no SSIM: its window is "
            f"{WINDOW} x {WINDOW}"
        )
    as_samples(generated, name="generated images")
    as_samples(real, name="real images")


def _of_block(
    one: np.ndarray, rows: slice, other: np.ndarray, others: slice
) -> Float32[np.ndarray, "rows others"]:
    """SSIM of some images of each set, in blocks of one size."""
    sides = (
        _padded(side[part], min(_BLOCK, len(side))) for side, part in ((one, rows), (other, others))
    )
    return np.asarray(_similarities(*sides))[: rows.stop - rows.start, : others.stop - others.start]


def _padded(images: np.ndarray, count: int) -> np.ndarray:
    """The images, filled up so that a last block needs no compilation of its own."""
    fill = np.zeros((count - len(images), *images.shape[1:]), np.float32)
    return np.concatenate([np.asarray(images, np.float32), fill])


@functools.cache
def _weights() -> Float32[np.ndarray, " window"]:
    """The Gaussian over the pixels of a window, row by row; they sum to 1."""
    offsets = np.arange(WINDOW) - (WINDOW - 1) / 2
    one = np.exp(-0.5 * (offsets / _SIGMA) ** 2)
    both = np.outer(one, one)
    return (both / both.sum()).ravel().astype(np.float32)


@jax.jit
def _similarities(
    one: Float[Array, "rows h w c"], other: Float[Array, "others h w c"]
) -> Float[Array, "rows others"]:
    """SSIM of all pairs: a sum over positions, so no memory for all of them."""
    height, width, channels = one.shape[1:]
    shape = (height - WINDOW + 1, width - WINDOW + 1, channels)
    # Positions lead: the windows at one of them are then a matrix without copies of neighbours.
    sides = [jnp.transpose(side, (1, 2, 3, 0)) for side in (one, other)]

    def add(position: Array, total: Array) -> Array:
        y, x, c = jnp.unravel_index(position, shape)
        (mean, spread, deviations), (means, spreads, others) = (
            _moments(jax.lax.dynamic_slice(s, (y, x, c, 0), (WINDOW, WINDOW, 1, s.shape[-1])))
            for s in sides
        )
        covariance = jnp.matmul(deviations.T, others, precision=jax.lax.Precision.HIGHEST)
        mean, spread = mean[:, None], spread[:, None]
        likeness = (2 * mean * means + _C1) * (2 * covariance + _C2)
        return total + likeness / ((mean**2 + means**2 + _C1) * (spread + spreads + _C2))

    count = int(np.prod(shape))
    total = jnp.zeros((len(one), len(other)), jnp.float32)
    return jax.lax.fori_loop(0, count, add, total) / count


@jax.jit
def _matched(
    one: Float[Array, "rows h w c"], other: Float[Array, "rows h w c"]
) -> Float[Array, " rows"]:
    """SSIM of images in the same place."""
    return jax.vmap(lambda a, b: _similarities(a[None], b[None])[0, 0])(one, other)


def _moments(windows: Float[Array, "side side 1 rows"]) -> tuple[Array, Array, Array]:
    """Mean and biased variance of each window, and its weighted deviations from the mean."""
    weights = jnp.asarray(_weights())[:, None]
    pixels = windows.reshape(WINDOW * WINDOW, -1)
    mean = (weights * pixels).sum(axis=0)
    # Products of deviations: the difference of two moments would cancel in float32.
    deviations = jnp.sqrt(weights) * (pixels - mean)
    return mean, (deviations**2).sum(axis=0), deviations
