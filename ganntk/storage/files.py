"""Whole files: read, and written so that they appear whole or not at all. Layer 1."""

import contextlib
import errno
import io
import os
import secrets
from collections.abc import Callable, Iterator
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ganntk.errors import InputError
from ganntk.storage.places import Uri, driver_errors, join, locate, reading, reason

PARTIAL = ".partial"
"""The end of a file's name while it is written."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What a file system says that has no hard links, such as a bucket that is mounted."""


def exists(uri: Uri) -> bool:
    """Say whether there is a file or a folder at a URI.

    Raises:
        InputError: the scheme is unknown, its driver is not installed, or nobody may look there.
        OSError: the store does not say; what is there is not known.
    """
    fs, path = locate(uri)
    try:
        # Of fsspec, `exists` takes any error for an absence.
        os.stat(path) if isinstance(fs, LocalFileSystem) else fs.info(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError as error:
        raise InputError(
            f"cannot look for {os.fspath(uri)} ({reason(error)}): check its permissions and your "
            "credentials"
        ) from error
    return True


def list_files(uri: Uri, *, suffix: str = "", cut_off: bool = False) -> list[str]:
    """List the files below a folder, at any depth, without those whose writing was cut off.

    Args:
        uri: a folder; one that does not exist has no files, as in an object store.
        suffix: what the file names must end with.
        cut_off: list the others instead: those that a writer left that was killed.

    Returns:
        Full URIs in alphabetical order, in the form that `uri` has.

    Raises:
        InputError: the scheme is unknown, its driver is missing, or the store or a folder in it
            cannot be read.
    """
    fs, path = locate(uri)
    if isinstance(fs, LocalFileSystem):
        found = _found_locally(path)
    else:
        with reading(uri):
            found = fs.find(path)
    names = [name[len(path) :].strip("/") for name in found]
    suffix = PARTIAL if cut_off else suffix
    kept = [n for n in names if n.endswith(suffix) and n.endswith(PARTIAL) == cut_off]
    return sorted(join(uri, name) if name else os.fspath(uri) for name in kept)


def make_folder(uri: Uri) -> None:
    """Make a folder, with its parents, and prove that files can be written there.

    Args:
        uri: the folder; it may exist already. In an object store nothing stays behind.

    Raises:
        InputError: the folder cannot be made or written; the sentence holds the reason.
    """
    fs, path = locate(uri)
    probe = f"{path}/.{secrets.token_hex(8)}{PARTIAL}"
    try:
        if isinstance(fs, LocalFileSystem):
            fs.makedirs(path, exist_ok=True)
        fs.pipe_file(probe, b"")
        fs.rm_file(probe)
    except (OSError, *driver_errors()) as error:
        raise InputError(
            f"cannot write into the folder {os.fspath(uri)} ({reason(error)}): "
            "choose another folder or change its permissions"
        ) from error


@contextlib.contextmanager
def open_read(uri: Uri) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes.

    Raises:
        InputError: there is no such file, it is a folder, or it cannot be opened.
    """
    fs, path = locate(uri)
    with reading(uri):
        stream = fs.open(path, "rb")
    with stream:
        yield stream


@contextlib.contextmanager
def open_write(uri: Uri) -> Iterator[IO[bytes]]:
    """Open a file for writing bytes; it appears, whole, when the block ends without an error.

    Parents are made where the store has folders. An object is held in memory and put at once.

    Raises:
        InputError: the scheme is unknown, or its driver is not installed.
        OSError: the bytes cannot be stored; what was there before is unchanged.
    """
    fs, path = locate(uri)
    if isinstance(fs, LocalFileSystem):
        with _replacing(path) as stream:
            yield stream
    else:
        buffer = io.BytesIO()
        yield buffer
        fs.pipe_file(path, buffer.getvalue())


def read_bytes(uri: Uri) -> bytes:
    """Read a whole file.

    Raises:
        InputError: there is no such file, it is a folder, or it cannot be opened.
    """
    with open_read(uri) as stream:
        try:
            return stream.read()
        except FileNotFoundError as error:
            # An object store may open a file that is there no more.
            raise InputError(f"no file at {os.fspath(uri)}: check the path") from error


def read_text(uri: Uri) -> str:
    """Read a whole UTF-8 text file.

    Raises:
        InputError: there is no such file, or it is not UTF-8 text.
    """
    try:
        return read_bytes(uri).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{os.fspath(uri)} is not a text file (byte {error.start} is not UTF-8): "
            "check the path or save it as UTF-8"
        ) from error


def write_bytes(uri: Uri, content: bytes) -> None:
    """Write a whole file: readers see the old content or the new one, never a part.

    Raises:
        InputError: the scheme is unknown, or its driver is not installed.
        OSError: the bytes cannot be stored; what was there before is unchanged.
    """
    with open_write(uri) as stream:
        stream.write(content)


def write_new(uri: Uri, content: bytes) -> bool:
    """Write a whole file where there is none; of several writers the first one wins.

    Returns:
        Whether the file is this one: where there was another, it is unchanged.

    Raises:
        InputError: the scheme is unknown, or its driver is not installed.
        OSError: the bytes cannot be stored.
    """
    fs, path = locate(uri)
    try:
        if isinstance(fs, LocalFileSystem):
            with _replacing(path, take_place=os.link) as stream:
                stream.write(content)
        else:
            fs.pipe_file(path, content, mode="create")
    except FileExistsError:
        return False
    except (OSError, *driver_errors()) as error:
        # Not every store says in the same way that there is one already.
        if exists(uri):
            return False
        if not isinstance(fs, LocalFileSystem) or getattr(error, "errno", None) not in _NO_LINKS:
            raise
        write_bytes(uri, content)
    return True


def write_text(uri: Uri, text: str) -> None:
    """Write a whole UTF-8 text file, as `write_bytes` does."""
    write_bytes(uri, text.encode("utf-8"))


def read_table(uri: Uri) -> pa.Table:
    """Read a Parquet file.

    Raises:
        InputError: there is no such file, or it is not Parquet.
    """
    with open_read(uri) as stream:
        try:
            return pq.ParquetFile(stream).read()
        except pa.ArrowInvalid as error:
            raise InputError(
                f"{os.fspath(uri)} is not a Parquet file ({reason(error)}): check the path"
            ) from error


def write_table(uri: Uri, table: pa.Table) -> None:
    """Write a Parquet file, as `write_bytes` does."""
    with open_write(uri) as stream:
        pq.write_table(table, stream)


def _found_locally(path: str) -> list[str]:
    """The files below a local folder; fsspec's `find` leaves out what it cannot read."""
    if os.path.isfile(path):
        return [path]

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise InputError(
                f"cannot read the folder {error.filename} ({reason(error)}): change its "
                "permissions, or take it away"
            ) from error

    found = []
    for folder, folders, names in os.walk(path, onerror=refuse):
        # A link to a folder is not followed: it may lead back here.
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        found += [os.path.join(folder, name) for name in (*names, *links)]
    return found


@contextlib.contextmanager
def _replacing(
    path: str, take_place: Callable[[str, str], None] = os.replace
) -> Iterator[IO[bytes]]:
    """A sibling of a local file that takes its place at the end, or is removed on an error."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    sibling = os.path.join(folder, f".{name}.{secrets.token_hex(8)}{PARTIAL}")
    try:
        with open(sibling, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        take_place(sibling, path)
    finally:
        if os.path.exists(sibling):
            os.unlink(sibling)
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Make a rename durable: the name lives in the folder, not in the file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
