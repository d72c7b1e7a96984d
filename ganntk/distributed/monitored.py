"""The series of a run in Ray's own metrics, which Prometheus scrapes from every node. Layer 6."""

from collections.abc import Mapping
from typing import Any

from ganntk.telemetry import CATALOGUE, Record

PREFIX = "ganntk_"
"""Of every name; Ray puts `ray_` before it."""

# From a small step on a CPU to a block with compilation: 1 ms to 17 min.
_BOUNDARIES = [1e-3 * 2**power for power in range(21)]


class RayMetricsSink:
    """Gauges, counters and histograms of Ray, with the run's name as a label.

    Args:
        run: name of the run, one value for the whole of it.
    """

    def __init__(self, run: str) -> None:
        self._run = run
        self._metrics: dict[str, Any] = {}
        self._totals: dict[tuple[str, tuple[str, ...]], float] = {}

    def write(self, record: Record) -> None:
        """Set, count or observe; what was not touched keeps its value."""
        for name, value in self._own(record).items():
            self._write(name, value, record.labels)

    def flush(self) -> None:
        """Ray exports by itself, every few seconds."""

    def close(self) -> None:
        """Ray forgets the series when this process ends."""

    def _own(self, record: Record) -> dict[str, float]:
        times = {"step": record.step, "elapsed_seconds": record.elapsed_seconds}
        # An observation of a phase stands alone: its record says nothing of the step.
        return {**({} if record.labels else times), **record.values}

    def _write(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        spec, tags = CATALOGUE[name], {"run": self._run, **labels}
        metric = self._metric(name)
        if spec.kind == "gauge":
            metric.set(value, tags=tags)
        elif spec.kind == "histogram":
            metric.observe(value, tags=tags)
        else:
            key = (name, tuple(labels.values()))
            # A total that did not grow is no event, and Ray refuses to count it.
            if (more := value - self._totals.get(key, 0.0)) > 0:
                metric.inc(more, tags=tags)
                self._totals[key] = value

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
