"""Files that a Grafana reads when it starts: where the numbers are, and where the dashboards."""

from typing import Any

import yaml

from dashboards.alerts import DATASOURCE_UID

HEAD = "# Written by `ganntk dashboards build` from dashboards/*.py: edit those, not this.\n"


def prometheus() -> dict[str, Any]:
    """The data source, without its address."""
    return {
        "name": "ganntk Prometheus",
        "uid": DATASOURCE_UID,
        "type": "prometheus",
        "access": "proxy",
        "isDefault": False,
        "jsonData": {"httpMethod": "POST", "timeInterval": "10s"},
    }


def datasources() -> str:
    """A Prometheus, beside those that are there; `$PROMETHEUS_URL` is Grafana's environment."""
    entry = {**prometheus(), "url": "$PROMETHEUS_URL", "editable": False}
    return HEAD + yaml.safe_dump({"apiVersion": 1, "datasources": [entry]}, sort_keys=False)


def dashboards() -> str:
    """Two folders of Grafana: ours, and that of the dashboards that Ray writes for itself."""
    providers = [
        _provider("ganntk", "$GANNTK_DASHBOARDS/json"),
        _provider("Ray", "/tmp/ray/session_latest/metrics/grafana/dashboards"),
    ]
    return HEAD + yaml.safe_dump({"apiVersion": 1, "providers": providers}, sort_keys=False)


def _provider(name: str, path: str) -> dict[str, object]:
    return {
        "name": name,
        "folder": name,
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": path},
    }
