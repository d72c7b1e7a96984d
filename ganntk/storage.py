"""Files by URI: paths are local, ``scheme://`` is any store that fsspec knows. Layer 1.

The only module that imports fsspec. A file appears whole or not at all: local files by renaming a
sibling, objects by one put. Bad addresses and missing files are an `InputError` with one sentence.
"""

import contextlib
import io
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeAlias

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ganntk.errors import InputError

Uri: TypeAlias = str | os.PathLike[str]
"""A local path, or ``scheme://...`` of any scheme that fsspec knows."""

# Drivers that an extra of ganntk installs; for other schemes fsspec says what is missing.
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
_PARTIAL = ".partial"
_SCAN_BYTES = 1 << 16


def join(uri: Uri, *parts: str) -> str:
    """Put file or folder names below a URI, with one slash between them.

    Args:
        uri: a folder.
        parts: names or relative paths; slashes at their ends do not matter.

    Returns:
        The URI of the file or folder, in the form that `uri` has.

    Example:
        >>> join("s3://bucket/runs/", "a", "config.yaml")
        's3://bucket/runs/a/config.yaml'
    """
    base = os.fspath(uri)
    for part in parts:
        separator = "" if base.endswith("/") or not base else "/"
        base = f"{base}{separator}{part.strip('/')}"
    return base


def exists(uri: Uri) -> bool:
    """Say whether there is a file or a folder at a URI.

    Raises:
        InputError: the scheme is unknown, or its driver is not installed.
    """
    fs, path = _locate(uri)
    return fs.exists(path)


def list_files(uri: Uri, *, suffix: str = "") -> list[str]:
    """List the files below a folder, at any depth, without those whose writing was cut off.

    Args:
        uri: a folder; one that does not exist has no files, as in an object store.
        suffix: what the file names must end with.

    Returns:
        Full URIs in alphabetical order, in the form that `uri` has.

    Raises:
        InputError: the scheme is unknown, its driver is missing, or the store cannot be read.
    """
    fs, path = _locate(uri)
    with _reading(uri):
        found = fs.find(path)
    names = [name[len(path) :].strip("/") for name in found]
    kept = [name for name in names if name.endswith(suffix) and not name.endswith(_PARTIAL)]
    return sorted(join(uri, name) if name else os.fspath(uri) for name in kept)


def make_folder(uri: Uri) -> None:
    """Make a folder, with its parents, and prove that files can be written there.

    Args:
        uri: the folder; it may exist already. In an object store nothing stays behind.

    Raises:
        InputError: the folder cannot be made or written; the sentence holds the reason.
    """
    fs, path = _locate(uri)
    probe = f"{path}/.{secrets.token_hex(8)}{_PARTIAL}"
    try:
        if isinstance(fs, LocalFileSystem):
            fs.makedirs(path, exist_ok=True)
        fs.pipe_file(probe, b"")
        fs.rm_file(probe)
    except (OSError, *_driver_errors()) as error:
        raise InputError(
            f"cannot write into the folder {os.fspath(uri)} ({_reason(error)}): "
            "choose another folder or change its permissions"
        ) from error


@contextlib.contextmanager
def open_read(uri: Uri) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes.

    Raises:
        InputError: there is no such file, it is a folder, or it cannot be opened.
    """
    fs, path = _locate(uri)
    with _reading(uri):
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
    fs, path = _locate(uri)
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
        return stream.read()


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
                f"{os.fspath(uri)} is not a Parquet file ({_reason(error)}): check the path"
            ) from error


def write_table(uri: Uri, table: pa.Table) -> None:
    """Write a Parquet file, as `write_bytes` does."""
    with open_write(uri) as stream:
        pq.write_table(table, stream)


class AppendLog:
    """A text file that grows by lines, such as ``metrics.jsonl``.

    A local file gets each line at once. An object store knows no appending: lines wait in memory
    and `flush` puts the whole object again, so flush at checkpoints rather than at every line.
    A last line without its end, left by a crash, is dropped on opening.

    Args:
        uri: the file; it is made when missing and continued when not.

    Raises:
        InputError: the scheme is unknown, its driver is missing, or `uri` is a folder.
    """

    def __init__(self, uri: Uri) -> None:
        fs, path = _locate(uri)
        with _reading(uri):
            self._stream, self._store = (
                _file_tail(path) if isinstance(fs, LocalFileSystem) else _object_tail(fs, path)
            )
        self._stream.truncate(_end_of_last_line(self._stream))
        self._stream.seek(0, os.SEEK_END)
        self._is_stored = False

    def append(self, line: str) -> None:
        """Add one line.

        Args:
            line: text without line breaks; the end of the line is added.

        Raises:
            InputError: the text holds a line break.
        """
        if "\n" in line:
            raise InputError(f"a log line holds a line break ({line[:40]!r}): append one at a time")
        self._stream.write(line.encode("utf-8") + b"\n")
        self._stream.flush()
        self._is_stored = False

    def flush(self) -> None:
        """Make every appended line durable."""
        if not self._is_stored:
            self._store()
            self._is_stored = True

    def close(self) -> None:
        """Flush, and let go of the file."""
        self.flush()
        self._stream.close()

    def __enter__(self) -> "AppendLog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _file_tail(path: str) -> tuple[IO[bytes], Callable[[], None]]:
    """A local file to append to, and what makes its lines durable."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    stream = open(path, "ab+")  # noqa: SIM115 (the log closes it)
    return stream, lambda: os.fsync(stream.fileno())


def _object_tail(fs: Any, path: str) -> tuple[IO[bytes], Callable[[], None]]:
    """The content of an object to append to, and what puts it again."""
    stream = io.BytesIO(fs.cat_file(path) if fs.exists(path) else b"")
    return stream, lambda: fs.pipe_file(path, stream.getvalue())


def _locate(uri: Uri) -> tuple[Any, str]:
    """The file system of a URI and the path in it."""
    text = os.fspath(uri)
    if "://" not in text:
        return fsspec.filesystem("file"), os.path.abspath(os.path.expanduser(text))
    scheme = text.split("://", 1)[0]
    try:
        fs, path = fsspec.core.url_to_fs(text)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        remedy = f"pip install ganntk[{extra}]" if extra else _reason(error)
        raise InputError(
            f"the driver for {scheme}:// of {text} is not installed: {remedy}"
        ) from error
    except ValueError as error:
        raise InputError(
            f"cannot use the address {text} ({_reason(error)}): "
            "give a path, or s3://, gs:// or another scheme of fsspec"
        ) from error
    # Another process may have written since this one last looked.
    fs.invalidate_cache()
    return fs, path


@contextlib.contextmanager
def _reading(uri: Uri) -> Iterator[None]:
    """Turn the errors of reading into sentences."""
    text = os.fspath(uri)
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"no file at {text}: check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{text} is a folder, and a file was expected: check the path") from error
    except (OSError, *_driver_errors()) as error:
        raise InputError(
            f"cannot open {text} ({_reason(error)}): check its permissions and your credentials"
        ) from error


@contextlib.contextmanager
def _replacing(path: str) -> Iterator[IO[bytes]]:
    """A sibling of a local file that takes its place at the end, or is removed on an error."""
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    sibling = os.path.join(folder, f".{name}.{secrets.token_hex(8)}{_PARTIAL}")
    try:
        with open(sibling, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(sibling, path)
    except BaseException:
        if os.path.exists(sibling):
            os.unlink(sibling)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Make a rename durable: the name lives in the folder, not in the file."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _end_of_last_line(stream: IO[bytes]) -> int:
    """The offset behind the last line break, found from the end without reading it all."""
    start = stream.seek(0, os.SEEK_END)
    while start > 0:
        end, start = start, max(0, start - _SCAN_BYTES)
        stream.seek(start)
        found = stream.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
    return 0


def _driver_errors() -> tuple[type[Exception], ...]:
    """What drivers raise that is no `OSError`: missing credentials, an unknown region."""
    botocore = sys.modules.get("botocore.exceptions")
    return (botocore.BotoCoreError,) if botocore else ()


def _reason(error: BaseException) -> str:
    """The first line of an error, or its kind where it says nothing."""
    text = (getattr(error, "strerror", None) or str(error)).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
