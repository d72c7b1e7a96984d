"""What a report shows, read from a run folder: every optional thing may be missing. Layer 4."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ganntk import storage
from ganntk.run_folder import Rows, RunFolder, SavedImages

MOST_SAMPLES, FEWEST_SAMPLES = 24, 4
"""Pictures of samples that a report embeds, evenly chosen from all that were saved."""

SAMPLE_BYTES = 6_000_000
"""What they should weigh together, so that a report can be sent by mail."""


@dataclass(frozen=True)
class Contents:
    """The contents of a run folder.

    Attributes:
        run_uri: where it was read.
        config: the resolved configuration as YAML.
        result: `result.json`, empty while the run has not finished.
        metrics: the records of `metrics.jsonl`.
        samples: step -> PNG file of the generated rows at that step.
        real: the saved real rows.
        generated: the generated rows at the end of the run.
        quality: `quality.json`, empty where the run has not been evaluated.
        interpolations: PNG file of the ways between codes, of a generator that was sampled.
    """

    run_uri: str
    config: str
    result: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    samples: Mapping[int, bytes]
    real: Rows | None
    generated: SavedImages | None
    quality: Mapping[str, Any]
    interpolations: bytes | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the run wrote its result."""
        return bool(self.result)

    @property
    def name(self) -> str:
        """The last part of the run's URI."""
        return self.run_uri.rstrip("/").rsplit("/", 1)[-1]

    def series(self, name: str) -> Float[np.ndarray, "records 2"]:
        """Steps and values of one series without labels, by rising step.

        A step recorded twice, which happens when a run is resumed from an earlier checkpoint,
        counts once, with its last value. A value that was not finite is NaN.
        """
        return self._series(name, None)

    def labelled(self, name: str, label: str) -> dict[str, Float[np.ndarray, "records 2"]]:
        """The same of a series with one label, for each value of the label, in their order."""
        found = [r["labels"][label] for r in self.metrics if name in r and "labels" in r]
        return {value: self._series(name, {label: value}) for value in dict.fromkeys(found)}

    def _series(
        self, name: str, labels: Mapping[str, str] | None
    ) -> Float[np.ndarray, "records 2"]:
        values: dict[int, float] = {}
        for record in self.metrics:
            if name in record and record.get("labels") == labels:
                value = record[name]
                values[record["step"]] = float("nan") if value is None else value
        return np.array(sorted(values.items()), dtype=np.float64).reshape(-1, 2)

    def latest(self, name: str) -> Any:
        """The number `name` of the result, else the last one recorded, else None."""
        if name in self.result:
            return self.result[name]
        return next((r[name] for r in reversed(self.metrics) if name in r), None)

    def at(self, step: int, name: str) -> float | None:
        """The value of a series at the last record up to `step`, None when there is none."""
        series = self.series(name)
        before = series[series[:, 0] <= step]
        return float(before[-1, 1]) if len(before) else None


def read(folder: RunFolder) -> Contents:
    """Read what a report needs of a run folder."""
    return Contents(
        run_uri=folder.uri,
        config=folder.config_text(),
        result=folder.read_result() or {},
        metrics=folder.read_metrics(),
        samples=_samples(folder),
        real=folder.read_real(),
        generated=folder.read_images(),
        quality=folder.read_quality() or {},
        interpolations=folder.read_interpolations(),
    )


def _samples(folder: RunFolder) -> dict[int, bytes]:
    """Sample pictures by step, the first and the last among them, fewer where they are large."""
    saved = list(folder.sample_uris().items())
    if not saved:
        return {}
    affordable = SAMPLE_BYTES // len(storage.read_bytes(saved[-1][1]))
    count = min(len(saved), int(np.clip(affordable, FEWEST_SAMPLES, MOST_SAMPLES)))
    chosen = np.linspace(len(saved) - 1, 0, count).round().astype(int)[::-1]
    return {saved[i][0]: storage.read_bytes(saved[i][1]) for i in chosen}
