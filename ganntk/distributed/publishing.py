"""Numbers of a run that has ended, for the monitoring of a cluster. Layer 6."""

import time

from ganntk.distributed.monitored import RayMetricsSink
from ganntk.distributed.ray_session import session
from ganntk.evaluation.quality import Quality
from ganntk.run_folder import RunFolder
from ganntk.telemetry import Recorder


def publish_quality(run_uri: str, quality: Quality, address: str) -> int:
    """Send what an evaluation measured to a cluster's metrics, under the name of the run.

    Ray exports the numbers as this process leaves the cluster, and for 20 s more: long enough for a
    Prometheus that asks every 10 s. With the numbers goes the time of the evaluation: dashboards
    show those of the newest one of 30 days, or of as many as Prometheus keeps.

    Args:
        run_uri: the run's folder.
        quality: of it.
        address: of the cluster; ``auto`` for the one that this process is in.

    Returns:
        How many numbers there were.

    Raises:
        InputError: no cluster answers there.
    """
    with session(address), RayMetricsSink(RunFolder(run_uri).name) as sink:
        recorder, count = Recorder([sink]), 0
        for table in quality.tables:
            recorder.record(
                0, {"quality_timestamp_seconds": time.time()}, {"features": table.features}
            )
            for measured in table.sets:
                for measure, estimate in measured.numbers.items():
                    labels = {"features": table.features, "measure": measure, "rows": measured.name}
                    recorder.record(0, {"quality": estimate.value}, labels)
                    count += 1
    return count
