"""Everything in this folder that follows from the catalogue and the panels, and its writer.

Deterministic: the same sources give the same bytes, which are committed, and a test compares them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from dashboards import alerts, provisioning
from dashboards.model import to_json
from dashboards.panels import DASHBOARDS

FOLDER = Path(__file__).resolve().parent
JSON = "json"
"""Where the dashboards lie in it: Grafana reads every file of a folder that it is given."""


def files() -> dict[str, str]:
    """Contents by name, below this folder."""
    dashboards = {f"{JSON}/{each.uid}.json": as_text(to_json(each)) for each in DASHBOARDS}
    return dashboards | {
        "alerts.yml": alerts.for_prometheus(),
        "provisioning/alerting/ganntk.yaml": alerts.for_grafana(),
        "provisioning/dashboards/ganntk.yaml": provisioning.dashboards(),
        "provisioning/datasources/ganntk.yaml": provisioning.datasources(),
    }


def as_text(value: object) -> str:
    """JSON with a line for each value, so that a change is a line."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path = FOLDER) -> Iterator[Path]:
    """Write what is not there already, byte by byte; the paths that changed."""
    for name, text in files().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            yield path
