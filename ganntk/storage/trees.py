"""Folders of files between a local disk and any storage; patience with its errors. Layer 1."""

import hashlib
import logging
import os
import random
import time
from collections.abc import Callable
from typing import TypeVar

from fsspec.implementations.local import LocalFileSystem

from ganntk.errors import InputError
from ganntk.storage.files import open_write
from ganntk.storage.places import Uri, driver_errors, locate, reason

_log = logging.getLogger(__name__)

ATTEMPTS = 5
"""How often a call that fails for a passing reason is made."""

_FIRST_PAUSE_SECONDS = 0.5
_CHUNK_BYTES = 1 << 20
# An address or a permission does not become right by waiting.
_LASTING = (PermissionError, FileNotFoundError, IsADirectoryError, NotADirectoryError, InputError)

T = TypeVar("T")


def patiently(
    call: Callable[[], T], what: str, *, pause: Callable[[float], None] = time.sleep
) -> T:
    """Call again, after longer and longer pauses, while the error may pass.

    Args:
        call: reads or writes something; carried out again as a whole.
        what: for the log, as "upload of s3://bucket/file".
        pause: how to wait some seconds.

    Raises:
        OSError: the last error, of `ATTEMPTS`; or the first that waiting does not cure.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except _LASTING:
            raise
        except (OSError, *driver_errors()) as error:
            if attempt == ATTEMPTS:
                raise
            seconds = _FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.8, 1.2)
            _log.warning("%s failed (%s): again in %.1f s", what, reason(error), seconds)
            pause(seconds)
    raise AssertionError


def put_file(path: str, uri: Uri) -> None:
    """Copy a local file to any storage; it appears whole or not at all."""
    fs, target = locate(uri)
    if isinstance(fs, LocalFileSystem):
        with open(path, "rb") as source, open_write(uri) as sink:
            while chunk := source.read(_CHUNK_BYTES):
                sink.write(chunk)
    else:
        fs.put_file(path, target)


def get_file(uri: Uri, path: str) -> None:
    """Copy a file from any storage to a local path, whose folder is made."""
    fs, source = locate(uri)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    fs.get_file(source, path)


def read_if_there(uri: Uri) -> bytes | None:
    """Read a small file, patiently; None where there is none.

    Raises:
        OSError: the store cannot be read.
    """
    fs, path = locate(uri)
    try:
        return patiently(lambda: fs.cat_file(path), f"reading {os.fspath(uri)}")
    except (FileNotFoundError, NotADirectoryError):
        return None


def remove(uri: Uri) -> None:
    """Remove a file, or a folder with all that is in it; nothing where there is nothing."""
    fs, path = locate(uri)
    try:
        fs.rm(path, recursive=True)
    except FileNotFoundError:
        return


def files_below(folder: str) -> list[str]:
    """The files of a local folder, as paths relative to it with slashes, in order."""
    found = []
    for root, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(root, name), folder) for name in names]
    return sorted(path.replace(os.sep, "/") for path in found)


def sha256_of(path: str) -> str:
    """The hash of a local file, as hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def size_of(uri: Uri) -> int | None:
    """The size of a file in bytes, or None where there is none."""
    fs, path = locate(uri)
    try:
        return int(fs.info(path)["size"])
    except FileNotFoundError:
        return None


def folders_in(uri: Uri) -> list[str]:
    """Names of the folders in a folder, in order; none where it does not exist."""
    fs, path = locate(uri)
    try:
        entries = fs.ls(path, detail=True)
    except FileNotFoundError:
        return []
    names = [e["name"].rstrip("/").rsplit("/", 1)[-1] for e in entries if e["type"] == "directory"]
    return sorted(names)


def is_local(uri: Uri) -> bool:
    """Whether a URI is a path of this machine."""
    return isinstance(locate(uri)[0], LocalFileSystem)
