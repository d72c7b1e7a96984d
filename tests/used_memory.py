"""How much of the machine's memory a program and its processes take."""

import threading

import psutil


class UsedMemory(threading.Thread):
    """The most memory that was in use on the machine, beyond that at the start; pages count once.

    Started, it looks every two seconds until it is stopped.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._before, self._peak, self._is_over = _used(), 0, threading.Event()

    @property
    def peak_gb(self) -> float:
        """Decimal gigabytes."""
        return (self._peak - self._before) / 1e9

    def run(self) -> None:
        """Look."""
        while not self._is_over.wait(2):
            self._peak = max(self._peak, _used())

    def stop(self) -> None:
        """Look no longer."""
        self._is_over.set()


def _used() -> int:
    memory = psutil.virtual_memory()
    return memory.total - memory.available
