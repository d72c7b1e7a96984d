"""Records what a single run without variants does not: a sweep, levels, an evaluation. A driver.

`python -m tests.monitoring.publisher ADDRESS SECONDS` stays so long: Ray forgets the gauges of a
process that is gone.
"""

import sys
import time

from ganntk.distributed.monitored import RayMetricsSink
from ganntk.distributed.ray_session import session
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
        for rows in ("generated", "held out"):
            labels = {"features": "random", "measure": "frechet", "rows": rows}
            recorder.record(0, {"quality": 4.2}, labels)
        recorder.record(0, {"d_held_out": 0.4})
        time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
