"""Signals that wait for the end of a block of steps. Layer 6."""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Let the enclosed lines end before Ctrl-C or SIGTERM interrupts; a second one does at once.

    A signal that would end the process without a word is left as it is, and so are all signals
    outside the main thread, where Python has no handlers.

    Raises:
        KeyboardInterrupt: after the enclosed lines, when there was a signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)
        _log.warning("ending after this block of steps; the same signal again ends at once")

    before = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = {number: handler for number, handler in before.items() if callable(handler)}
    for number in handled:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
    if seen:
        raise KeyboardInterrupt
