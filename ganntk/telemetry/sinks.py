"""Where records go: a list, or lines of JSON. Layer 4."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ganntk import storage


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

    def storing(self) -> Callable[[], None]:
        """What makes durable what is written by now: a call, on any thread."""
        ...

    def close(self) -> None:
        """Flush, and release what is held."""


@dataclass
class MemorySink:
    """Keeps records in a list: for tests and for callers that want the curve."""

    records: list[Record] = field(default_factory=list)

    def write(self, record: Record) -> None:
        """Append one record."""
        self.records.append(record)

    def storing(self) -> Callable[[], None]:
        """Nothing waits."""
        return nothing

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class JsonlSink:
    """Writes one JSON object a line to an append-only log, `metrics.jsonl` of a run folder."""

    log: storage.AppendLog

    def write(self, record: Record) -> None:
        """Append one line."""
        self.log.append(as_json(record))

    def storing(self) -> Callable[[], None]:
        """Put every line of now into the log, which an object store needs."""
        return self.log.storing()

    def close(self) -> None:
        """Close the log."""
        self.log.close()


def nothing() -> None:
    """What a sink has to do that keeps no records."""


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
