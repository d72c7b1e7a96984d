"""What telemetry costs a run: the records of a demo, sent again to its sinks on a real Ray.

`python -m benchmarks.telemetry` runs the digits demo on a local Ray, reads back what it recorded,
and times the same records, observations and questions for memory. Timing two whole runs against
each other would drown one percent in the noise of either.
"""

import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import harness
from ganntk import config as configuration
from ganntk import distributed, storage
from ganntk.config import RunConfig
from ganntk.distributed.group import open_group
from ganntk.distributed.monitored import RayMetricsSink
from ganntk.distributed.worker import Worker
from ganntk.run_folder import RunFolder
from ganntk.telemetry import CATALOGUE, JsonlSink, Recorder


class Silent:
    """Nobody watches."""

    def phase(self, sentence: str) -> None:
        """Say nothing."""

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """Say nothing."""


def demo(folder: Path) -> RunConfig:
    """The configuration of `make demo`, in a folder of its own."""
    uri = str(folder / "run")
    return dataclasses.replace(configuration.load("configs/digits.yaml"), run_uri=uri)


def again(lines: Sequence[Mapping[str, Any]], recorder: Recorder) -> None:
    """Send what a run recorded once more, as its driver does."""
    for line in lines:
        values = {name: value for name, value in line.items() if name in CATALOGUE}
        values = {k: v for k, v in values.items() if k not in ("step", "elapsed_seconds")}
        recorder.record(line["step"], values, line.get("labels"))
        if "loss" in values:
            recorder.observe("step_seconds", 0.01)
            with recorder.phase("steps"):
                pass


def timed(call: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each call after the first."""
    call()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds


def main() -> None:
    """Print the table."""
    parser = harness.arguments(__doc__, [])
    given = parser.parse_args()
    print(harness.machine(given.device), flush=True)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        config = demo(folder)
        distributed.run(config, Silent())
        run = RunFolder.open(config.run_uri)
        lines, result = list(run.read_metrics()), run.read_result()
        assert result is not None
        seconds = result["phase_seconds"]["steps"]
        log = storage.AppendLog(str(folder / "metrics.jsonl"))
        with open_group(Worker, config) as group, RayMetricsSink("benchmark") as live, log:
            file = Recorder([JsonlSink(log)])
            ray = Recorder([])
            ray.add(live, watches=True)
            pictures = config.steps // config.sample_every + 1
            parts = {
                "metrics.jsonl": timed(lambda: again(lines, file), given.repeats),
                "Ray's metrics": timed(lambda: again(lines, ray), given.repeats),
                "memory of workers": [
                    pictures * each for each in timed(lambda: group.call("memory"), given.repeats)
                ],
                "gauges repeated": [
                    each * seconds / 5 for each in timed(live.repeat, given.repeats)
                ],
            }
    print(report(parts, seconds, config.steps))
    if given.json:
        Path(given.json).write_text(json.dumps(parts), encoding="utf-8")


def report(parts: Mapping[str, Sequence[float]], seconds: float, steps: int) -> str:
    """A row for each part of the telemetry, and for all of it."""
    parts = {**parts, "all": [sum(each) for each in zip(*parts.values(), strict=True)]}
    rows = [
        [
            name,
            harness.duration(statistics.median(each)),
            harness.duration(statistics.median(each) / steps),
            f"{100 * statistics.median(each) / seconds:.3f} %",
        ]
        for name, each in parts.items()
    ]
    head = ["telemetry", f"of {steps} steps", "a step", f"of {harness.duration(seconds)} of steps"]
    return harness.table(head, rows)


if __name__ == "__main__":
    main()
