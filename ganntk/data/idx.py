"""IDX files, the format of MNIST and its relatives, compressed or not. Layer 2.

Header: two zero bytes, a type code, the number of axes, then each axis as a big-endian uint32.
"""

import gzip
import math
import posixpath
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from ganntk import storage
from ganntk.data.base import Source
from ganntk.data.contents import Contents, in_memory
from ganntk.data.rows import check_labels
from ganntk.data.stored import Stored
from ganntk.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_TYPE_NAMES = {9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}


@Source.register("idx")
@dataclass(frozen=True)
class Idx(Stored):
    """Images of an IDX file of unsigned bytes, such as MNIST, divided by 255.

    Attributes:
        uri: the images, for example ``train-images-idx3-ubyte.gz``.
        labels_uri: their labels, for example ``train-labels-idx1-ubyte.gz``; needed for `classes`.
    """

    uri: str | None = None
    labels_uri: str | None = None

    def contents(self) -> Contents:
        """Read the files."""
        if self.uri is None:
            raise InputError("the data source idx has no uri: give the path of an IDX images file")
        images = _read(self.uri, axes=(3, 4), content="images")
        labels = None
        if self.labels_uri is not None:
            labels = _read(self.labels_uri, axes=(1,), content="labels")
            labels = check_labels(labels, len(images), name=self.labels_uri)
        rows = images if images.ndim == 4 else images[..., None]
        name = posixpath.basename(self.uri).removesuffix(".gz")
        return Contents(name, len(rows), in_memory(rows, name), labels)


def parse_idx(content: bytes, *, name: str) -> UInt8[np.ndarray, "..."]:
    """Read the array in an IDX file of unsigned bytes.

    Args:
        content: the file, compressed by gzip or not.
        name: what the error messages call the file.

    Returns:
        A read-only array with the axes that the header gives.

    Raises:
        InputError: the file is not IDX, holds another type, is cut off or has bytes left over.
    """
    raw = _decompressed(content, name)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in (_UNSIGNED_BYTE, *_TYPE_NAMES):
        raise InputError(f"{name} is not an IDX file (it begins {raw[:4].hex(' ')!r}): check it")
    if raw[2] != _UNSIGNED_BYTE:
        raise InputError(
            f"{name} holds {_TYPE_NAMES[raw[2]]}, and unsigned bytes were expected: "
            "convert it, or save it as npz"
        )
    axes = raw[3]
    header = 4 + 4 * axes
    if axes == 0 or len(raw) < header:
        raise InputError(f"{name} ends inside its header: download or copy it again")
    shape = struct.unpack(f">{axes}I", raw[4:header])
    if len(raw) - header != math.prod(shape):
        raise InputError(
            f"{name} has {len(raw) - header} bytes behind its header, and its shape {shape} needs "
            f"{math.prod(shape)}: download or copy it again"
        )
    return np.frombuffer(raw, np.uint8, offset=header).reshape(shape)


def _read(uri: str, *, axes: tuple[int, ...], content: str) -> np.ndarray:
    """The array of a file, with a number of axes that fits its purpose."""
    array = parse_idx(storage.read_bytes(uri), name=uri)
    if array.ndim not in axes:
        raise InputError(
            f"{uri} has {array.ndim} axes, and {content} have {' or '.join(map(str, axes))}: "
            "give the images as uri and the labels as labels_uri"
        )
    return array


def _decompressed(content: bytes, name: str) -> bytes:
    """The content without its gzip wrapping, which the first bytes tell and not the name."""
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{name} is a damaged gzip file ({error}): download or copy it again"
        ) from error
