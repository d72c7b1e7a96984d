"""What `dashboards/` says is what the program declares and what Prometheus takes."""

import shutil
import subprocess

import pytest
import yaml

from dashboards.alerts import ALERTS
from ganntk.telemetry import CATALOGUE
from tests.structure.sources import ROOT

PROMETHEUS = ROOT / "dashboards" / "prometheus.yml"


def test_the_readme_lists_the_catalogue():
    text = (ROOT / "dashboards" / "README.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    assert [name for name in listed if name in CATALOGUE] == list(CATALOGUE)


def test_prometheus_follows_the_nodes_that_ray_lists():
    (job,) = yaml.safe_load(PROMETHEUS.read_text(encoding="utf-8"))["scrape_configs"]
    (discovery,) = job["file_sd_configs"]
    assert discovery["files"] == ["/tmp/ray/prom_metrics_service_discovery.json"]
    assert discovery["refresh_interval"] == "5s"


def test_promtool_accepts_the_configuration():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH: it comes with Prometheus")
    command = [promtool, "check", "config", str(PROMETHEUS)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr


def test_promtool_accepts_the_alerts_and_they_fire_when_they_should():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH: it comes with Prometheus")
    tests = ROOT / "tests" / "monitoring" / "alerts.test.yml"
    for command in (
        ["check", "rules", str(PROMETHEUS.parent / "alerts.yml")],
        ["test", "rules", tests],
    ):
        found = subprocess.run(
            [promtool, *command], capture_output=True, text=True, check=False, timeout=60
        )
        assert found.returncode == 0, found.stdout + found.stderr


def test_every_alert_is_tested_firing_and_not_firing():
    text = (ROOT / "tests" / "monitoring" / "alerts.test.yml").read_text(encoding="utf-8")
    cases = [case for test in yaml.safe_load(text)["tests"] for case in test["alert_rule_test"]]
    for alert in ALERTS:
        fires = {bool(case["exp_alerts"]) for case in cases if case["alertname"] == alert.name}
        assert fires == {True, False}, alert.name
