"""Sends declared series to sinks, and times phases. Layer 4."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from ganntk.errors import InputError
from ganntk.registry import unknown_name
from ganntk.telemetry.catalogue import CATALOGUE
from ganntk.telemetry.sinks import Record, Sink

_OWN = ("step", "elapsed_seconds")


class Recorder:
    """Sends declared series to sinks and times named phases.

    Args:
        sinks: where every record goes, in this order.
        clock: monotonic seconds; a test passes its own.
        already: seconds that a run had taken before it was resumed.

    Example:
        >>> from ganntk.telemetry import MemorySink
        >>> memory = MemorySink()
        >>> recorder = Recorder([memory])
        >>> with recorder.phase("gram"):
        ...     recorder.record(1, {"loss": 0.5})
        >>> memory.records[0].values
        {'loss': 0.5}
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        clock: Callable[[], float] = time.monotonic,
        already: float = 0.0,
    ) -> None:
        self._sinks = list(sinks)
        self._clock = clock
        self._start = clock() - already
        self._phases: dict[str, float] = {}
        self._watching: list[Sink] = []
        self._step = 0

    def add(self, sink: Sink, *, watches: bool = False) -> None:
        """Send the records from now on to one more sink.

        Args:
            sink: where to.
            watches: whether it also takes every single observation of a histogram: a monitoring
                system does, a file that is read afterwards has enough in the totals. It is told of
                the phases that have ended before.
        """
        self._sinks.append(sink)
        if watches:
            self._watching.append(sink)
            for name, seconds in self._phases.items():
                self._observe_phase(name, seconds, [sink])

    def observe(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Send one observation of a histogram to the sinks that watch.

        Raises:
            InputError: as `record`.
        """
        labels = dict(labels or {})
        _check(name, labels)
        record = Record(self._step, self.elapsed_seconds(), {name: float(value)}, labels)
        _write(record, self._watching)

    def record(
        self, step: int, values: Mapping[str, float], labels: Mapping[str, str] | None = None
    ) -> None:
        """Send the values of some series at one step to every sink.

        Args:
            step: optimiser steps taken.
            values: series name -> value; scalars of NumPy and JAX are fine, so is NaN.
            labels: label name -> value, for series that declare labels.

        Raises:
            InputError: when a series is not in `CATALOGUE`, or its labels are not those declared.
        """
        labels = dict(labels or {})
        for name in values:
            _check(name, labels)
        numbers = {name: float(value) for name, value in values.items()}
        self._step = int(step)
        _write(Record(self._step, self.elapsed_seconds(), numbers, labels), self._sinks)

    def elapsed_seconds(self) -> float:
        """Wall time since the recorder was made."""
        return round(self._clock() - self._start, 6)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the wall time of the enclosed lines to the phase `name`, also when they raise."""
        start = self._clock()
        try:
            yield
        finally:
            seconds = self._clock() - start
            self._phases[name] = self._phases.get(name, 0.0) + seconds
            self._observe_phase(name, seconds, self._watching)

    def phase_seconds(self) -> dict[str, float]:
        """Total wall time of each phase so far, in the order of their first end."""
        return {name: round(seconds, 6) for name, seconds in self._phases.items()}

    def record_phases(self, step: int) -> None:
        """Record the totals of all phases, one record for each, labelled with its name."""
        for name, seconds in self.phase_seconds().items():
            self.record(step, {"phase_seconds": seconds}, {"phase": name})

    def _observe_phase(self, name: str, seconds: float, sinks: Sequence[Sink]) -> None:
        """One more duration, and the exact total: a histogram's is rounded to its buckets."""
        values = {"phase_duration_seconds": seconds, "phase_seconds": self._phases[name]}
        _write(Record(self._step, self.elapsed_seconds(), values, {"phase": name}), sinks)

    def flush(self) -> None:
        """Make every record durable: at checkpoints, because it is dear on an object store."""
        self.storing()()

    def storing(self) -> Callable[[], None]:
        """What makes every record of now durable: a call, for a thread that may wait."""
        calls = [sink.storing() for sink in self._sinks]

        def call() -> None:
            for each in calls:
                each()

        return call

    def close(self) -> None:
        """Close every sink."""
        for sink in self._sinks:
            sink.close()


def _write(record: Record, sinks: Sequence[Sink]) -> None:
    for sink in sinks:
        sink.write(record)


def _check(name: str, labels: Mapping[str, str]) -> None:
    """Refuse a series that is not declared, or not with these labels."""
    if name in _OWN:
        raise InputError(f"the recorder writes {name!r} itself: leave it out of the values")
    if name not in CATALOGUE:
        raise unknown_name("series", name, CATALOGUE)
    if set(labels) != set(CATALOGUE[name].labels):
        raise InputError(
            f"series {name!r} got the labels {sorted(labels)}, expected "
            f"{sorted(CATALOGUE[name].labels)}: pass those, or change the catalogue"
        )
