"""The series of a run in Ray's own metrics, which Prometheus scrapes from every node. Layer 6."""

import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ganntk.telemetry import CATALOGUE, Record, nothing

PREFIX = "ganntk_"
"""Of every name; Ray puts `ray_` before it."""

# From a small step on a CPU to a block with compilation: 1 ms to 17 min.
_BOUNDARIES = [1e-3 * 2**power for power in range(21)]


# Ray forgets a gauge that nobody has set for two of its intervals, 20 s.
_REPEAT_SECONDS = 5.0


class RayMetricsSink:
    """Gauges, counters and histograms of Ray, with the run's name as a label.

    Gauges are set again every few seconds, by a thread: a run whose steps take minutes would
    vanish otherwise, and one whose process has ended does vanish. Ray exports no NaN: a gauge that
    becomes one is forgotten.

    Args:
        run: name of the run, one value for the whole of it.
        info: labels of `run_info`, where a run folder is behind the name.
        clock: seconds since 1970; a test passes its own.
    """

    def __init__(
        self,
        run: str,
        info: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._run, self._clock = run, clock
        self._metrics: dict[str, Any] = {}
        self._totals: dict[tuple[str, tuple[str, ...]], float] = {}
        self._levels: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._lock = threading.Lock()
        self._is_closing = threading.Event()
        if info is not None:
            self._write("run_active", 1.0, {})
            self._write("run_info", 1.0, info)
            self._write("recorded_timestamp_seconds", clock(), {})
        self._thread = threading.Thread(target=self._keep_repeating, name="metrics", daemon=True)
        self._thread.start()

    def write(self, record: Record) -> None:
        """Set, count or observe; what was not touched keeps its value."""
        for name, value in self._own(record).items():
            self._write(name, value, record.labels)

    def storing(self) -> Callable[[], None]:
        """Ray exports by itself, every few seconds."""
        return nothing

    def close(self) -> None:
        """Say that the run has ended; Ray forgets the gauges when this process ends."""
        self._is_closing.set()
        self._thread.join()
        if ("run_active", ()) in self._levels:
            self._write("run_active", 0.0, {})

    def __enter__(self) -> "RayMetricsSink":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _own(self, record: Record) -> dict[str, float]:
        """The values of a record with the times that Prometheus computes ages from."""
        values = dict(record.values)
        # An observation stands alone: its record says nothing of the step.
        if not record.labels:
            values |= {"step": record.step, "elapsed_seconds": record.elapsed_seconds}
        if "loss" in values:
            values["recorded_timestamp_seconds"] = self._clock()
        if "checkpoint_age_seconds" in values:
            age = values["checkpoint_age_seconds"]
            values["checkpoint_timestamp_seconds"] = self._clock() - age
        return values

    def _write(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        kind, tags = CATALOGUE[name].kind, {"run": self._run, **labels}
        with self._lock:
            metric = self._metric(name)
            if kind == "gauge" and math.isnan(value):
                self._levels.pop((name, tuple(labels.items())), None)
            elif kind == "gauge":
                self._levels[name, tuple(labels.items())] = value
                metric.set(value, tags=tags)
            elif kind == "histogram":
                metric.observe(value, tags=tags)
            else:
                key = (name, tuple(labels.values()))
                # A total that did not grow is no event, and Ray refuses to count it.
                if (more := value - self._totals.get(key, 0.0)) > 0:
                    metric.inc(more, tags=tags)
                    self._totals[key] = value

    def repeat(self) -> None:
        """Set every gauge to what it is, so that Ray does not forget it."""
        with self._lock:
            for (name, labels), value in self._levels.items():
                self._metrics[name].set(value, tags={"run": self._run, **dict(labels)})

    def _keep_repeating(self) -> None:
        while not self._is_closing.wait(_REPEAT_SECONDS):
            self.repeat()

    def _metric(self, name: str) -> Any:
        if name not in self._metrics:
            from ray.util import metrics

            spec = CATALOGUE[name]
            keys = ("run", *spec.labels)
            given: dict[str, Any] = {"description": spec.meaning, "tag_keys": keys}
            if spec.kind == "histogram":
                given["boundaries"] = _BOUNDARIES
            kinds = {
                "gauge": metrics.Gauge,
                "counter": metrics.Counter,
                "histogram": metrics.Histogram,
            }
            self._metrics[name] = kinds[spec.kind](PREFIX + name, **given)
        return self._metrics[name]
