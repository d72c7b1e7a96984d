"""Every query of panels and alerts, on a real Prometheus that scrapes a real job for minutes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from dashboards import alerts
from dashboards.model import Panel
from dashboards.panels import DASHBOARDS
from dashboards.queries import exported
from tests.distributed.loopback_head import Head, wait_until
from tests.monitoring import nvml, prometheus_server
from tests.monitoring.prometheus_server import Prometheus
from tests.structure.sources import ROOT

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason=prometheus_server.MISSING),
]

WATCHED_SECONDS = 150.0
# What Grafana puts in the place of its variables when nothing was chosen.
VARIABLES = {"$run": ".*", "$cluster": ".*", "$worker": ".*", "$__range": "5m"}
RUN = [
    *("--config", "configs/digits.yaml", "--kernel", "fnn", "--steps", "1000000"),
    *("--cluster.workers", "2", "--cluster.gpus_per_worker", "0", "--coupling.exchange", "rows"),
    *("--cluster.cpus_per_worker", "0.5"),  # of two: another run must find room
    *("--report_every", "20", "--sample_every", "200", "--checkpoints.every", "200"),
    *("--cluster.snapshot_every", "20", "--stopping.every", "200"),
    *("--stopping.held_out.type", "digits", "--stopping.held_out.size", "128"),
    *("--stopping.held_out.seed", "1"),
]


class Watched(NamedTuple):
    """A job that has run for minutes, and who looked at it."""

    prometheus: Prometheus
    head: Head
    run: str
    driver: subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("prometheus")
    head = Head(tmp_path_factory.mktemp("head"))
    drivers = []
    try:
        head.wait()
        discovery = head.session / "prom_metrics_service_discovery.json"
        wait_until(discovery.exists, seconds=30)
        session = (head.session / "session_latest").resolve().name
        with (
            nvml.replaying(session) as exporter,
            prometheus_server.running(folder, discovery, [exporter]) as prometheus,
        ):
            uri = folder / "runs" / "watched"
            drivers.append(
                _start(head, folder, "ganntk", "synthesize", *RUN, "--run_uri", str(uri))
            )
            for frechet in ("9.2", "4.2"):  # the older one is the larger
                done = f"evaluated={frechet}"
                drivers.append(_start(head, folder, "tests.monitoring.publisher", seconds=done))
                assert drivers[-1].wait(timeout=100) == 0
            drivers.append(_start(head, folder, "tests.monitoring.publisher", seconds="600"))
            _lose_a_worker_on_the_way(head, prometheus)
            yield Watched(prometheus, head, uri.name, drivers[0])
    finally:
        for driver in drivers:
            driver.kill()
            driver.wait()
        head.remove()


def _start(
    head: Head, folder: Path, module: str, *words: str, seconds: str = ""
) -> subprocess.Popen[bytes]:
    where = (
        [head.cluster_address, seconds]
        if seconds
        else [
            *words,
            "--cluster.address",
            head.cluster_address,
        ]
    )
    with (folder / f"{module}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, *where],
            cwd=ROOT,
            env=head.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def _lose_a_worker_on_the_way(head: Head, prometheus: Prometheus) -> None:
    """Watch for minutes; half way, kill one of the run's two workers."""
    wait_until(lambda: bool(prometheus.now(exported("step"))), seconds=120)
    began = time.monotonic()
    time.sleep(WATCHED_SECONDS / 2)
    lines = head.processes().items()
    workers = [pid for pid, line in lines if re.search(r"ray::\w*Worker\b", line)]
    assert len(workers) == 2, head.processes()
    os.kill(max(workers), signal.SIGKILL)
    time.sleep(max(0.0, began + WATCHED_SECONDS - time.monotonic()))


def _filled(expr: str) -> str:
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


def test_every_panel_has_data_and_the_table_of_all_queries(watched: Watched):
    empty, table = [], [("panel", "query", "samples")]
    for dashboard in DASHBOARDS:
        for panel in dashboard.panels():
            counts = _counts(watched.prometheus, panel)
            title = f"{dashboard.title}: {panel.title}"
            table += [(title, query, str(count)) for query, count in counts.items()]
            if not all(counts.values()):
                empty.append(title)
    print("\n" + "\n".join("| " + " | ".join(line) + " |" for line in table))
    print(f"{len(table) - 1} queries on {watched.prometheus.url}, {len(empty)} panels lack data")
    assert empty == []


def _counts(prometheus: Prometheus, panel: Panel) -> dict[str, int]:
    return {
        query.expr: prometheus.samples(
            _filled(query.expr), seconds=WATCHED_SECONDS, is_instant=query.is_instant
        )
        for query in panel.queries
    }


def test_the_choices_at_the_top_are_those_of_the_run(watched: Watched):
    found = {}
    for variable in DASHBOARDS[0].variables:
        if variable.query:
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable.query).groups()
            found[variable.name] = set(
                watched.prometheus.get(
                    f"/api/v1/label/{label}/values", **{"match[]": _filled(series)}
                )
            )
    assert watched.run in found["run"]
    assert found["worker"] == {"0", "1"}
    assert len(found["cluster"]) == 1


def test_a_lost_worker_and_checkpoints_are_marked(watched: Watched):
    marks = {
        mark.name: watched.prometheus.samples(
            _filled(mark.expr), seconds=WATCHED_SECONDS, is_instant=False
        )
        for mark in DASHBOARDS[0].annotations
    }
    assert set(marks) == {"workers restarted", "checkpoints"}
    assert all(marks.values()), marks


def test_the_numbers_in_prometheus_are_those_of_the_run(watched: Watched):
    labels = f'{{run="{watched.run}"}}'
    steps = float(watched.prometheus.now(exported("step") + labels)[0]["value"][1])
    assert steps > 200
    restarts = watched.prometheus.now(exported("worker_restarts") + labels)
    assert [value["value"][1] for value in restarts] == ["1"]
    (share,) = watched.prometheus.now(f"sum(rate({exported('phase_seconds')}{labels}[1m]))")
    # Prometheus extrapolates a rate to the edges of its window: where one of twelve scrapes came
    # late, ten intervals of five seconds stand for sixty.
    assert 0.5 < float(share["value"][1]) <= 1.2


def test_the_newest_evaluation_of_a_run_is_the_one_that_is_shown(watched: Watched):
    (panel,) = [panel for panel in DASHBOARDS[0].panels() if panel.title == "Quality"]
    found = watched.prometheus.now(_filled(panel.queries[0].expr))
    shown = {(each["metric"]["measure"], each["value"][1]) for each in found}
    assert shown == {("frechet", "4.2"), ("memorisation", "0.5")}
    assert len(found) == 4  # of generated and of held-out rows


def test_the_gpu_that_stands_still_is_named(watched: Watched):
    (panel,) = [panel for panel in DASHBOARDS[1].panels() if panel.title == "GPUs that idle"]
    found = watched.prometheus.now(_filled(panel.queries[0].expr))
    assert [each["metric"]["GpuIndex"] for each in found] == [str(nvml.IDLE_GPU)]


def test_prometheus_evaluates_every_alert_and_none_of_a_healthy_run_fires(watched: Watched):
    (group,) = watched.prometheus.get("/api/v1/rules")["groups"]
    health = {rule["name"]: (rule["health"], rule.get("lastError", "")) for rule in group["rules"]}
    assert health == {alert.name: ("ok", "") for alert in alerts.ALERTS}
    # Those that would fire in a few minutes among them.
    true = {
        alert["labels"]["alertname"] for alert in watched.prometheus.get("/api/v1/alerts")["alerts"]
    }
    # The disk is this machine's, and one of the GPUs that are replayed stands still.
    assert true - {"DiskNearlyFull", "GpuIdle"} == set()
    # Grafana's form of each: it has an answer for the same series.
    for alert in alerts.ALERTS:
        theirs = watched.prometheus.now(f"0 * ({alert.expr}) + 1")
        assert len(theirs) == len(watched.prometheus.now(alert.expr)), alert.name


def test_an_objective_that_is_not_finite_reaches_prometheus(watched: Watched, tmp_path: Path):
    words = [
        *("--config", "configs/mixture25.yaml", "--data.size", "12", "--lam", "1"),
        *("--points.count", "5", "--points.low", "-3e38", "--points.high", "3e38"),
        *("--optimizer.learning_rate", "1e30", "--steps", "50", "--kernel", "fnn"),
        *("--cluster.workers", "1", "--cluster.gpus_per_worker", "0"),
        *("--cluster.cpus_per_worker", "0.5"),
    ]
    uri = tmp_path / "not-finite"
    driver = _start(watched.head, tmp_path, "ganntk", "synthesize", *words, "--run_uri", str(uri))
    assert driver.wait(timeout=120) == 1, (tmp_path / "ganntk.log").read_text(encoding="utf-8")
    (alert,) = [alert for alert in alerts.ALERTS if alert.name == "ObjectiveNotFinite"]
    wait_until(lambda: bool(watched.prometheus.now(alert.expr)), seconds=40)
    (found,) = watched.prometheus.now(alert.expr)
    assert found["metric"]["run"] == "not-finite"


def test_a_driver_that_is_killed_is_missed(watched: Watched):
    watched.driver.kill()
    watched.driver.wait()
    (alert,) = [alert for alert in alerts.ALERTS if alert.name == "RunVanished"]
    wait_until(lambda: bool(watched.prometheus.now(alert.expr)), seconds=60)
    (found,) = watched.prometheus.now(alert.expr)
    assert found["metric"]["run"] == watched.run
