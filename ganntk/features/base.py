"""What turns images into features, chosen by a URI. Layer 2, above the data."""

import abc
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from ganntk.errors import InputError
from ganntk.registry import Registered

BLOCK_ROWS = 256
"""Images that go through a network at a time."""

Features = Float32[np.ndarray, "rows d"]


@dataclass(frozen=True)
class Extractor(Registered, abc.ABC):
    """A function from images to features.

    Adding one is adding a file to `ganntk.features` with a frozen dataclass that registers
    itself under the word before the colon of its URI.

    Attributes:
        location: what stands behind the colon: empty, a number, or the place of a file.
        cache_uri: a folder for what takes long to compute, or None to compute it again.
    """

    kind: ClassVar[str] = "feature extractor"
    package: ClassVar[str] = "ganntk.features"
    _registry: ClassVar[dict[str, type]] = {}

    location: str = ""
    cache_uri: str | None = None

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What a table calls these features."""

    @abc.abstractmethod
    def extract(self, rows: Float32[np.ndarray, "rows ..."]) -> Features:
        """The features of rows in [0, 1], shape (n, d): a row's do not depend on the others.

        Raises:
            InputError: rows of this shape have no such features, or something needed is missing.
        """


def open_extractor(uri: str, *, cache_uri: str | None = None) -> Extractor:
    """The extractor that a URI names.

    Args:
        uri: ``pixels``, ``random`` or ``random:SEED``, ``classifier:IMAGES``, or
            ``inception:WEIGHTS``.
        cache_uri: a folder for what takes long to compute.

    Raises:
        InputError: no extractor has that name.

    Example:
        >>> open_extractor("random:3").name
        'random convolutions (seed 3)'
    """
    scheme, _, location = uri.partition(":")
    return Extractor.find(scheme)(location=location, cache_uri=cache_uri)


def check_images(rows: np.ndarray, *, what: str) -> None:
    """Refuse what is no set of images, shape (n, h, w, c) with one or three channels.

    Raises:
        InputError: the shape is another one, or there is no image.
    """
    if rows.ndim != 4 or rows.shape[-1] not in (1, 3) or 0 in rows.shape:
        raise InputError(
            f"{what} need images of shape (n, h, w, 1) or (n, h, w, 3) and got rows of shape "
            f"{rows.shape}: use --features pixels"
        )


def by_blocks(
    network: Callable[[Float[Array, "rows h w c"]], Float[Array, "rows d"]],
    rows: Float32[np.ndarray, "rows h w c"],
    block: int = BLOCK_ROWS,
) -> Features:
    """Apply a network to blocks of rows of one size, so that it is compiled once.

    Args:
        network: a jitted function.
        rows: at least one.
        block: rows of a block; the last one is filled up and cut.
    """
    size = min(block, len(rows))
    parts = []
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        fill = np.zeros((size - len(part), *part.shape[1:]), part.dtype)
        found = network(jnp.asarray(np.concatenate([part, fill])))
        parts.append(np.asarray(found, np.float32)[: len(part)])
    return np.concatenate(parts)
