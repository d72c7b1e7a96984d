"""Everything in this folder that follows from the catalogue and the panels, and its writer.

Deterministic: the same sources give the same bytes, which are committed, and a test compares them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from dashboards import alerts, provisioning
from dashboards.model import to_json
from dashboards.panels import DASHBOARDS
from ganntk.telemetry import CATALOGUE, SeriesSpec

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
        "README.md": _with_table((FOLDER / "README.md").read_text(encoding="utf-8")),
    }


_HEAD = "| series | kind | unit | labels | meaning |\n|---|---|---|---|---|\n"


def _with_table(readme: str) -> str:
    """The page with the table of series that the catalogue makes."""
    before, after = readme.split(_HEAD)
    table = "".join(_line(spec) for spec in CATALOGUE.values())
    return before + _HEAD + table + "\n" + after.split("\n\n", 1)[1]


def _line(spec: SeriesSpec) -> str:
    labels = ", ".join(f"`{label}`" for label in spec.labels)
    return f"| `{spec.name}` | {spec.kind} | {spec.unit} | {labels} | {spec.meaning} |\n"


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
