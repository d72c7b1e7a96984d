"""What a run measures: the one catalogue of series, the recorder and its sinks. Layer 4.

Every number that a run reports, in `metrics.jsonl`, in a report or on a dashboard, is declared once
in `CATALOGUE`; recording anything else is an error. A counter is recorded as its total so far.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ganntk import storage
from ganntk.errors import InputError
from ganntk.registry import unknown_name

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True)
class SeriesSpec:
    """One declared series.

    Attributes:
        name: its key in records; lower case, with the unit where it has one.
        kind: gauge (a level), counter (a total so far) or histogram (single observations).
        unit: the unit as written on an axis; empty for a pure number.
        labels: the names of the labels that every record of the series carries.
        meaning: one sentence for a person who reads a dashboard.
    """

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str


def _catalogue(*specs: SeriesSpec) -> dict[str, SeriesSpec]:
    """The specs by name."""
    return {spec.name: spec for spec in specs}


CATALOGUE: Mapping[str, SeriesSpec] = _catalogue(
    SeriesSpec("step", "counter", "steps", (), "Optimiser steps taken."),
    SeriesSpec("elapsed_seconds", "counter", "s", (), "Wall time since the recorder started."),
    SeriesSpec("loss", "gauge", "", (), "The objective over all real and generated rows."),
    SeriesSpec(
        "loss_per_real", "gauge", "", (), "The objective divided by the number of real rows."
    ),
    SeriesSpec("d_real", "gauge", "", (), "Mean discriminator value on the real rows."),
    SeriesSpec("d_points", "gauge", "", (), "Mean discriminator value on the generated rows."),
    SeriesSpec(
        "gradient_norm", "gauge", "", (), "Euclidean norm of the gradient of what is optimised."
    ),
    SeriesSpec("lam", "gauge", "", (), "Training time of the discriminator."),
    SeriesSpec("eigenvalue_min", "gauge", "", (), "Smallest eigenvalue seen of the Gram matrix."),
    SeriesSpec("eigenvalue_max", "gauge", "", (), "Largest eigenvalue seen of the Gram matrix."),
    SeriesSpec(
        "products", "gauge", "", (), "Products with a vector that the solver took; 0 for eigh."
    ),
    SeriesSpec(
        "residual", "gauge", "", (), "Relative error of exp(-lam K) by the solver's own estimate."
    ),
    SeriesSpec(
        "am_ssim", "gauge", "", (), "Mean similarity of generated images to their nearest real one."
    ),
    SeriesSpec(
        "memorisation", "gauge", "", (), "0.5: as near to real rows as fresh ones; 1: copies."
    ),
    SeriesSpec(
        "held_out_distance", "gauge", "", (), "Kernel distance of generated to held-out rows."
    ),
    SeriesSpec("steps_per_second", "gauge", "1/s", (), "Optimiser steps a second of late."),
    SeriesSpec("images_per_second", "gauge", "1/s", (), "Generated rows updated a second of late."),
    SeriesSpec("worker_restarts", "counter", "", (), "Workers that were lost and replaced."),
    SeriesSpec(
        "checkpoint_step", "gauge", "steps", (), "Step of the last committed checkpoint; -1: none."
    ),
    SeriesSpec(
        "checkpoint_age_seconds", "gauge", "s", (), "Time since the last committed checkpoint."
    ),
    SeriesSpec("checkpoint_bytes", "counter", "bytes", (), "Bytes of all committed checkpoints."),
    SeriesSpec("checkpoint_failures", "counter", "", (), "Checkpoints that came to nothing."),
    SeriesSpec("phase_seconds", "counter", "s", ("phase",), "Wall time spent in a named phase."),
)
"""Every series a run may record, by name."""

_OWN = ("step", "elapsed_seconds")


@dataclass(frozen=True)
class Record:
    """The values of some series at one step.

    Attributes:
        step: optimiser steps taken.
        elapsed_seconds: wall time since the recorder started.
        values: series name -> value, not necessarily finite.
        labels: label name -> label value, the same for all values.
    """

    step: int
    elapsed_seconds: float
    values: Mapping[str, float]
    labels: Mapping[str, str]


class Sink(Protocol):
    """Where records go."""

    def write(self, record: Record) -> None:
        """Take one record."""

    def flush(self) -> None:
        """Make what was written durable."""

    def close(self) -> None:
        """Flush, and release what is held."""


@dataclass
class MemorySink:
    """Keeps records in a list: for tests and for callers that want the curve."""

    records: list[Record] = field(default_factory=list)

    def write(self, record: Record) -> None:
        """Append one record."""
        self.records.append(record)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class JsonlSink:
    """Writes one JSON object a line to an append-only log, `metrics.jsonl` of a run folder."""

    log: storage.AppendLog

    def write(self, record: Record) -> None:
        """Append one line."""
        self.log.append(as_json(record))

    def flush(self) -> None:
        """Put every line into the log, which an object store needs."""
        self.log.flush()

    def close(self) -> None:
        """Close the log."""
        self.log.close()


def as_json(record: Record) -> str:
    """One line of strict JSON for a record.

    JSON has no NaN and no infinity: such a value is written as null, and its name is listed under
    "non_finite", so that a reader can tell it from a value that was never measured.
    """
    finite = {name: x if math.isfinite(x) else None for name, x in record.values.items()}
    line: dict[str, Any] = {"step": record.step, "elapsed_seconds": record.elapsed_seconds}
    line |= finite
    if record.labels:
        line["labels"] = dict(record.labels)
    if None in finite.values():
        line["non_finite"] = [name for name, x in finite.items() if x is None]
    return json.dumps(line, allow_nan=False)


class Recorder:
    """Sends declared series to sinks and times named phases.

    Args:
        sinks: where every record goes, in this order.
        clock: monotonic seconds; a test passes its own.
        already: seconds that a run had taken before it was resumed.

    Example:
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

    def add(self, sink: Sink) -> None:
        """Send the records from now on to one more sink."""
        self._sinks.append(sink)

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
        record = Record(int(step), self.elapsed_seconds(), numbers, labels)
        for sink in self._sinks:
            sink.write(record)

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
            self._phases[name] = self._phases.get(name, 0.0) + self._clock() - start

    def phase_seconds(self) -> dict[str, float]:
        """Total wall time of each phase so far, in the order of their first end."""
        return {name: round(seconds, 6) for name, seconds in self._phases.items()}

    def record_phases(self, step: int) -> None:
        """Record the totals of all phases, one record for each, labelled with its name."""
        for name, seconds in self.phase_seconds().items():
            self.record(step, {"phase_seconds": seconds}, {"phase": name})

    def flush(self) -> None:
        """Make every record durable: at checkpoints, because it is dear on an object store."""
        for sink in self._sinks:
            sink.flush()

    def close(self) -> None:
        """Close every sink."""
        for sink in self._sinks:
            sink.close()


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
