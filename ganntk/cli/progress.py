"""How a run is watched: a bar on a terminal, plain lines elsewhere. Layer 7."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

_SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def progress() -> Iterator["Bar | Lines"]:
    """Show the progress of a run inside the block, on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[numbers]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        yield Bar(bar)


class Bar:
    """A bar with step, loss, images per second and time left."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("starting", total=None, numbers="")

    def phase(self, sentence: str) -> None:
        """Show what began."""
        self._bar.update(self._task, description=sentence)

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """Move the bar."""
        numbers = _numbers(loss, images_per_second)
        self._bar.update(
            self._task, description="step", completed=step, total=steps, numbers=numbers
        )


class Lines:
    """A line for every phase, and one for the steps every few seconds."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last = -_SECONDS_BETWEEN_LINES

    def phase(self, sentence: str) -> None:
        """Write what began."""
        self._write(sentence)

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """Write the numbers when the last line is old, or the run is at its end."""
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES or step == steps:
            self._last = now
            self._write(f"step {step}/{steps}  {_numbers(loss, images_per_second)}")

    def _write(self, text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._start:6.1f} s] {text}\n")
        sys.stderr.flush()


def _numbers(loss: float, images_per_second: float) -> str:
    return f"loss/n {loss:.4f}  {images_per_second:.0f} images/s"
