"""Records what a run without variants does not: a sweep, levels, an evaluation. A driver.

`python -m tests.monitoring.publisher ADDRESS SECONDS` stays so long: Ray forgets the gauges of a
process that is gone. With `evaluated` for the seconds it publishes an evaluation, and leaves.
"""

import sys
import time

from ganntk.distributed.monitored import RayMetricsSink
from ganntk.distributed.publishing import publish_quality
from ganntk.distributed.ray_session import session
from ganntk.evaluation.quality import Measured, Quality, Table
from ganntk.metrics.intervals import Estimate
from ganntk.telemetry import Recorder


def main(address: str, seconds: float) -> None:
    """Record once, and stay."""
    with session(address), RayMetricsSink("a-sweep") as sink:
        recorder = Recorder([sink])
        for state, count in {"RUNNING": 8, "PENDING": 3, "TERMINATED": 20, "ERROR": 1}.items():
            recorder.record(0, {"trials": count}, {"state": state})
        recorder.record(0, {"trial_best": 0.21}, {"measure": "held_out_distance"})
        for point in range(3):
            for measure in ("held_out_distance", "seconds"):
                labels = {"measure": measure, "point": str(point)}
                recorder.record(0, {"trial_front": 0.2 + point}, labels)
        for level in ("32x32", "64x64"):
            values = {"level_loss": 1.5, "level_lam": 3.0, "level_weight": 0.5}
            recorder.record(0, values, {"level": level})
        time.sleep(seconds)


def evaluated(address: str, frechet: float) -> None:
    """Publish an evaluation, and leave at once, as `ganntk evaluate --publish` does."""
    numbers = {"frechet": Estimate(frechet, 4.0, 9.4), "memorisation": Estimate(0.5, 0.4, 0.6)}
    sets = [Measured(name, 64, numbers) for name in ("generated", "held out")]
    quality = Quality("digits", 1733, 64, 0.1, [Table("random", sets)])
    publish_quality("memory://evaluated", quality, address)


if __name__ == "__main__":
    if sys.argv[2].startswith("evaluated="):
        evaluated(sys.argv[1], float(sys.argv[2].partition("=")[2]))
    else:
        main(sys.argv[1], float(sys.argv[2]))
