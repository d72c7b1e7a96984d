"""A text file that grows by lines. Layer 1."""

import io
import logging
import os
import threading
from collections.abc import Callable
from typing import IO, Any

from fsspec.implementations.local import LocalFileSystem

from ganntk.errors import InputError
from ganntk.storage.places import Uri, driver_errors, locate, reading, reason
from ganntk.storage.trees import patiently

_log = logging.getLogger(__name__)

_SCAN_BYTES = 1 << 16


class AppendLog:
    """A text file that grows by lines, such as ``metrics.jsonl``.

    A local file gets each line at once. An object store knows no appending: lines wait in memory
    and `flush` puts the whole object again, so flush at checkpoints rather than at every line, and
    where nothing may wait for the store, let a thread call what `storing` returns.
    A last line without its end, left by a crash, is dropped on opening.

    Args:
        uri: the file; it is made when missing and continued when not.

    Raises:
        InputError: the scheme is unknown, its driver is missing, or `uri` is a folder.
    """

    def __init__(self, uri: Uri) -> None:
        fs, path = locate(uri)
        with reading(uri):
            self._stream, self._store = (
                _file_tail(path) if isinstance(fs, LocalFileSystem) else _object_tail(fs, path)
            )
        self._stream.truncate(_end_of_last_line(self._stream))
        self._stream.seek(0, os.SEEK_END)
        self._stored = -1
        self._lock = threading.Lock()

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

    def flush(self) -> None:
        """Make every appended line durable."""
        self.storing()()

    def storing(self) -> Callable[[], None]:
        """What makes every line that is appended by now durable: a call, on any thread.

        It does nothing where later lines are durable already: the older content never comes last.
        """
        if self._stream.closed:
            return lambda: None
        end, store = self._stream.tell(), self._store()

        def call() -> None:
            with self._lock:
                if end > self._stored:
                    store()
                    self._stored = end

        return call

    def close(self) -> None:
        """Flush, and let go of the file."""
        self.flush()
        self._stream.close()

    def __enter__(self) -> "AppendLog":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.close()
        except (OSError, *driver_errors()) as error:
            if kind is None:
                raise
            # What ended the block says more.
            _log.warning("the last lines of a log were not stored: %s", reason(error))


_Store = Callable[[], Callable[[], None]]
"""Takes what a stream holds now, and returns what makes it durable."""


def _file_tail(path: str) -> tuple[IO[bytes], _Store]:
    """A local file to append to."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    stream = open(path, "ab+")  # noqa: SIM115 (the log closes it)
    return stream, lambda: lambda: os.fsync(stream.fileno())


def _object_tail(fs: Any, path: str) -> tuple[IO[bytes], _Store]:
    """The content of an object to append to, which is put again as a whole."""
    stream = io.BytesIO(fs.cat_file(path) if fs.exists(path) else b"")

    def store() -> Callable[[], None]:
        content = stream.getvalue()
        return lambda: patiently(lambda: fs.pipe_file(path, content), f"writing {path}")

    return stream, store


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
