"""Arrays that NumPy saved, as .npy or .npz. Layer 2."""

import io
import posixpath
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganntk import storage
from ganntk.data.base import Source
from ganntk.data.contents import Contents, in_memory
from ganntk.data.rows import check_labels
from ganntk.data.stored import Stored
from ganntk.errors import InputError

_DEFAULT_KEY = "images"


@Source.register("array")
@Source.register("npz")
@dataclass(frozen=True)
class SavedArray(Stored):
    """Rows of an .npy or .npz file: images (n, h, w, c) or (n, h, w), or points (n, d).

    Attributes:
        uri: the file. Bytes are divided by 255, other numbers must lie in [0, 1].
        key: which array of an .npz file; None takes ``images``, or the only array.
        labels_key: which array of an .npz file holds the labels; needed for `classes`.
    """

    uri: str | None = None
    key: str | None = None
    labels_key: str | None = None

    def contents(self) -> Contents:
        """Read the file."""
        if self.uri is None:
            raise InputError("the data source array has no uri: give the path of an npz or npy")
        rows, labels = _arrays(self.uri, self.key, self.labels_key)
        if rows.ndim == 0:
            raise InputError(f"{self.uri} holds a single number: give an array of rows")
        if labels is not None:
            labels = check_labels(labels, len(rows), name=f"{self.uri}[{self.labels_key}]")
        name = posixpath.splitext(posixpath.basename(self.uri))[0]
        return Contents(name, len(rows), in_memory(rows, name), labels)


def _arrays(
    uri: str, key: str | None, labels_key: str | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows and the labels of a file."""
    content = storage.read_bytes(uri)
    try:
        opened: Any = np.load(io.BytesIO(content), allow_pickle=False)
        if isinstance(opened, np.ndarray):
            _refuse_keys(uri, key, labels_key)
            return opened, None
        rows = opened[_rows_key(uri, opened.files, key)]
        return rows, None if labels_key is None else opened[_known(uri, opened.files, labels_key)]
    except InputError:
        raise
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        remedy = (
            "save plain numbers with numpy.savez" if "allow_pickle" in str(error) else "check it"
        )
        raise InputError(f"{uri} is not a usable npz or npy file ({error}): {remedy}") from error


def _rows_key(uri: str, names: list[str], key: str | None) -> str:
    """The name of the array that holds the rows."""
    if key is not None:
        return _known(uri, names, key)
    if _DEFAULT_KEY in names:
        return _DEFAULT_KEY
    if len(names) != 1:
        raise InputError(
            f"{uri} holds the arrays {', '.join(sorted(names)) or '(none)'}: "
            "say with key which one holds the images"
        )
    return names[0]


def _known(uri: str, names: list[str], key: str) -> str:
    """The name itself, when the file has it."""
    if key not in names:
        raise InputError(f"{uri} holds no array {key!r}: choose among {', '.join(sorted(names))}")
    return key


def _refuse_keys(uri: str, key: str | None, labels_key: str | None) -> None:
    """An .npy file has no names."""
    name = key or labels_key
    if name is not None:
        raise InputError(
            f"{uri} is an npy file, so it has no array {name!r}: "
            "leave out key and labels_key, or save an npz file"
        )
