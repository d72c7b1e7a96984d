"""Who writes into a run's folder: one run at a time. Layer 4.

No store offers a lock that all of them have. The file names its writer and is renewed while that
one lives; a file that was not renewed for the time that it states, or whose process on this machine
is gone, is nobody's. Two runs that start within `SETTLE_SECONDS` see the later file, so one of them
gives way; should a store deliver late, a writer still looks again before it commits, so of two
writers one at most ever commits.
"""

import json
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass

from ganntk import storage
from ganntk.errors import BusyFolderError, CheckpointError

SETTLE_SECONDS = 0.3
"""How long a new writer waits before it looks whether it is still the one."""

_BOOT = "/proc/sys/kernel/random/boot_id"


@dataclass(frozen=True)
class _Owner:
    """The content of the file."""

    writer: str
    host: str
    pid: int
    renewed: float
    seconds: float

    def is_gone(self, now: float) -> bool:
        if now - self.renewed > self.seconds:
            return True
        return self.host == _host() and not _is_alive(self.pid)


class Lease:
    """The right to write below one folder; `acquire` it first.

    Args:
        uri: the file that says so.
        seconds: how long it holds without being renewed.
        clock: seconds since 1970.
        pause: how to wait some seconds.
    """

    def __init__(
        self,
        uri: str,
        seconds: float,
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.writer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._uri, self._seconds, self._clock, self._pause = uri, seconds, clock, pause

    def acquire(self) -> None:
        """Become the writer.

        Raises:
            BusyFolderError: another run is.
            OSError: the store cannot be read or written.
        """
        owner = self._read()
        if owner is not None and not owner.is_gone(self._clock()):
            raise self._refusal(owner)
        self._write()
        self._pause(SETTLE_SECONDS)
        owner = self._read()
        if owner is None or owner.writer != self.writer:
            raise self._refusal(owner)

    def renew(self) -> None:
        """Say that this run is still here.

        Raises:
            CheckpointError: another run took over, because this one was silent for too long.
        """
        self.check()
        self._write()

    def check(self) -> None:
        """Look whether this run is still the writer.

        Raises:
            CheckpointError: it is not.
        """
        owner = self._read()
        if owner is None or owner.writer != self.writer:
            other = "nobody" if owner is None else owner.writer
            raise CheckpointError(
                f"{self._uri} names {other} as the writer of this folder, not this run: nothing "
                "more is written to it; end one of the two, and resume from the last checkpoint"
            )

    def release(self) -> None:
        """Let others write."""
        owner = self._read()
        if owner is not None and owner.writer == self.writer:
            storage.remove(self._uri)

    def _read(self) -> _Owner | None:
        content = storage.read_if_there(self._uri)
        if content is None:
            return None
        try:
            return _Owner(**json.loads(content))
        except (ValueError, TypeError):
            # Cut short by hand: it names nobody.
            return None

    def _write(self) -> None:
        owner = _Owner(self.writer, _host(), os.getpid(), self._clock(), self._seconds)
        text = json.dumps(asdict(owner)) + "\n"
        storage.patiently(lambda: storage.write_text(self._uri, text), f"writing {self._uri}")

    def _refusal(self, owner: _Owner | None) -> BusyFolderError:
        if owner is None:
            return BusyFolderError(f"{self._uri} was removed while this run started: try again")
        silent = max(0.0, self._clock() - owner.renewed)
        return BusyFolderError(
            f"another run writes there, {owner.writer}, heard of {silent:.0f} s ago ({self._uri}): "
            f"wait for its end, or, if it has ended, {owner.seconds - silent:.0f} s; or choose "
            "another run_uri"
        )


def _host() -> str:
    """This machine since its last start."""
    boot = ""
    with suppress(OSError), open(_BOOT, encoding="ascii") as stream:
        boot = stream.read().strip()
    return f"{socket.gethostname()}/{boot}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
