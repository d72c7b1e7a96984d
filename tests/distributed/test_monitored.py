"""What Ray exports of a run, as Prometheus reads it."""

import math
import re
import time
import urllib.request
from collections.abc import Iterator

import pytest

from ganntk.distributed.ray_session import session, stay_on_loopback
from ganntk.telemetry import Recorder
from tests.distributed.loopback_head import wait_until

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def exported() -> Iterator:
    """Names and values of the series of a run called x, now."""
    stay_on_loopback()
    with session("local"):
        import ray

        port = ray.nodes()[0]["MetricsExportPort"]

        def read() -> dict[str, float]:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
                lines = answer.read().decode().splitlines()
            ours = (re.match(r'ray_ganntk_(\w+)\{.*run="x".*\} (\S+)', line) for line in lines)
            return {found[1]: float(found[2]) for found in ours if found}

        yield read


def test_gauges_stay_while_the_run_does_counters_count_and_phases_are_told_afterwards(exported):
    from ganntk.distributed.monitored import RayMetricsSink

    recorder = Recorder([])
    with recorder.phase("start"):
        pass
    info = {"uri": "memory://x", "kernel": "fnn", "coupling": "exact"}
    with RayMetricsSink("x", info) as sink:
        recorder.add(sink, watches=True)
        recorder.record(7, {"loss": 0.5, "lam": 3.0, "checkpoint_age_seconds": 100.0})
        recorder.record(9, {"loss": 0.25, "checkpoint_age_seconds": 100.0})
        recorder.record(9, {"lam": math.nan})
        wait_until(lambda: "loss" in exported(), seconds=40)
        # Ray forgets what nobody has set for 20 s.
        time.sleep(25)
        found = exported()
        assert (found["loss"], found["step_total"], found["run_active"]) == (0.25, 9, 1)
        assert "lam" not in found
        assert found["phase_duration_seconds_count"] == 1
        assert 100 < time.time() - found["checkpoint_timestamp_seconds"] < 160
        assert 0 < time.time() - found["recorded_timestamp_seconds"] < 60
    wait_until(lambda: exported().get("run_active") == 0, seconds=20)
    wait_until(lambda: "loss" not in exported(), seconds=40)
    assert exported()["step_total"] == 9
