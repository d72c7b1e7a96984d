"""CIFAR-10 in its Python batches, read without running anything that they say. Layer 2.

A batch is a pickle of a mapping: ``data``, bytes of shape (n, 3072), red before green before blue,
and ``labels``. A pickle may name any function of the machine to be called; `read_batch` knows
the three names that arrays need, and gives stand-ins for them that only hold what was said.
"""

import io
import pickle
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64, UInt8

from ganntk import storage
from ganntk.data.base import Source
from ganntk.data.contents import Contents, in_memory
from ganntk.data.rows import check_labels
from ganntk.data.stored import Stored
from ganntk.errors import InputError

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = ("test_batch",)
_META = "batches.meta"
_BYTES = 3 * 32 * 32
_BROKEN = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
    OverflowError, MemoryError, UnicodeError, ImportError,
)  # fmt: skip


@Source.register("cifar10")
@dataclass(frozen=True)
class Cifar10(Stored):
    """Images of CIFAR-10, 32 x 32 in colour; classes by name, such as ``horse``, or number.

    Attributes:
        uri: the folder ``cifar-10-batches-py``; batches that are not there are left out.
        part: ``train`` or ``test``.
    """

    uri: str | None = None
    part: Literal["train", "test"] = "train"

    def contents(self) -> Contents:
        """Read the batches that are there."""
        if self.uri is None:
            raise InputError("the data source cifar10 has no uri: give cifar-10-batches-py")
        wanted = _TRAIN if self.part == "train" else _TEST
        uris = [storage.join(self.uri, name) for name in wanted]
        there = [uri for uri in uris if storage.exists(uri)]
        if not there:
            raise InputError(
                f"{self.uri} holds none of {', '.join(wanted)}: give the folder "
                "cifar-10-batches-py of the Python version"
            )
        batches = [read_batch(storage.read_bytes(uri), name=uri) for uri in there]
        rows, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        take = in_memory(rows, "CIFAR-10")
        return Contents("CIFAR-10", len(rows), take, labels, class_names=self._class_names())

    def _class_names(self) -> dict[int, str]:
        """The names in `batches.meta`, where there is one."""
        uri = storage.join(self.uri or "", _META)
        if not storage.exists(uri):
            return {}
        names = _mapping(storage.read_bytes(uri), uri).get("label_names")
        if not isinstance(names, list):
            raise InputError(f"{uri} has no list label_names: copy it again or remove it")
        return {label: _text(name) for label, name in enumerate(names)}


def read_batch(
    content: bytes, *, name: str
) -> tuple[UInt8[np.ndarray, "n 32 32 3"], Int64[np.ndarray, " n"]]:
    """Read the images and labels of one batch.

    Args:
        content: the file.
        name: what the error messages call it.

    Raises:
        InputError: it is no pickle, is cut short, asks for something to be run, or holds
            something else.
    """
    batch = _mapping(content, name)
    data, labels = batch.get("data"), batch.get("labels")
    if not isinstance(data, _Array) or labels is None:
        raise InputError(
            f"{name} has no data and labels (it has {', '.join(sorted(batch)) or 'nothing'}): "
            "give a batch of the Python version of CIFAR-10"
        )
    flat = data.bytes_of(name)
    if flat.ndim != 2 or flat.shape[1] != _BYTES:
        raise InputError(f"{name} holds data of shape {flat.shape}: expected (n, {_BYTES})")
    images = flat.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), check_labels(labels, len(images), name=name)


def _mapping(content: bytes, name: str) -> dict[str, Any]:
    """The mapping of a pickle, its keys as text."""
    try:
        found = _Restricted(io.BytesIO(content), name).load()
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(
            f"{name} is no usable pickle ({' '.join(str(error).split())}): copy it again"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{name} holds a {type(found).__name__}, and a mapping was expected")
    return {_text(key): value for key, value in found.items()}


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


class _Type:
    """Stands for `numpy.dtype`: the name that was said."""

    def __init__(self, name: Any = "", *_: Any) -> None:
        self.name = _text(name)

    def __setstate__(self, _: Any) -> None:
        """Byte order and the like: single bytes have none."""


class _Array:
    """Stands for `numpy.ndarray`: the shape, the type and the bytes that were said."""

    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def bytes_of(self, name: str) -> np.ndarray:
        """The array, when it is one of unsigned bytes."""
        # (version, shape, type, column-major, bytes)
        if not isinstance(self.state, tuple) or len(self.state) != 5:
            raise InputError(f"{name} holds an array without a shape: copy it again")
        _, shape, kind, is_column_major, content = self.state
        if not isinstance(kind, _Type) or kind.name not in ("u1", "|u1", "uint8"):
            raise InputError(f"{name} holds an array of another type than unsigned bytes")
        raw = content.encode("latin1") if isinstance(content, str) else content
        try:
            order = "F" if is_column_major else "C"
            return np.frombuffer(raw, np.uint8).reshape(shape, order=order)
        except (ValueError, TypeError) as error:
            raise InputError(f"{name} holds a damaged array ({error}): copy it again") from error


def _reconstruct(*_: Any) -> _Array:
    """Stands for the function of NumPy that makes an empty array."""
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stands for `_codecs.encode`, with which Python 3 writes bytes for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes are encoded as {encoding!r}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
}


class _Restricted(pickle.Unpickler):
    """Knows the stand-ins and nothing else."""

    def __init__(self, stream: io.BytesIO, name: str) -> None:
        super().__init__(stream, encoding="bytes")
        self._name = name

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in, or a refusal of what would run code."""
        if (module, name) not in _STAND_INS:
            raise InputError(
                f"{self._name} asks to run {module}.{name}, which no batch of CIFAR-10 does: "
                "do not use this file"
            )
        return _STAND_INS[module, name]

    def persistent_load(self, pid: Any) -> Any:
        """There is nothing outside a batch."""
        raise pickle.UnpicklingError(f"it refers to {pid!r} outside itself")
