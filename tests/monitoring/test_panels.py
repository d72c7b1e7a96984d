"""What is committed is what the sources say; every panel explains itself, and Grafana knows it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from dashboards import alerts, build
from dashboards.model import COLUMNS, Panel, to_json
from dashboards.panels import DASHBOARDS
from dashboards.queries import exported
from ganntk.telemetry import CATALOGUE
from tests.structure.sources import ROOT

PANELS = [(each.uid, panel) for each in DASHBOARDS for panel in each.panels()]
IDS = [f"{uid}: {panel.title}" for uid, panel in PANELS]
# Series that are read in another form: times as ages, totals as their parts.
# What a sweep is after is a person's choice: nobody knows where it is bad.
OF_ANY_MEASURE = {"Best so far", "Best over time"}
NOT_SHOWN = {"elapsed_seconds", "checkpoint_age_seconds", "loss", "step_seconds"}


def test_what_is_committed_is_what_the_sources_say():
    found = {name: (build.FOLDER / name).read_text(encoding="utf-8") for name in build.files()}
    assert found == build.files(), "run `ganntk dashboards build` and commit what it wrote"


def test_building_again_in_another_process_gives_the_same_bytes():
    program = (
        "import hashlib; from dashboards import build;"
        "print(hashlib.sha256(repr(sorted(build.files().items())).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_building_writes_only_what_changed(tmp_path):
    assert len(list(build.write(tmp_path))) == len(build.files())
    assert list(build.write(tmp_path)) == []


def _dropped(ours: Any, back: Any, path: str = "") -> Iterator[str]:
    """What of a JSON is gone or changed after Grafana's own types have read and written it."""
    if isinstance(ours, dict) and isinstance(back, dict):
        for name, value in ours.items():
            if name in back:
                yield from _dropped(value, back[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}"
    elif isinstance(ours, list) and isinstance(back, list) and len(ours) == len(back):
        for place, (one, other) in enumerate(zip(ours, back, strict=True)):
            yield from _dropped(one, other, f"{path}[{place}]")
    elif ours != back:
        yield path


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.uid)
def test_grafanas_own_types_know_every_field(dashboard):
    plugins = pytest.importorskip("grafana_foundation_sdk.cog.plugins")
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    ours = json.loads(json.dumps(to_json(dashboard)))
    back = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(ours)))
    # Of these Grafana has fields for each kind of data source, which those types leave out.
    expected = re.compile(
        r"\.annotations\.list\[\d+\]\.(step|titleFormat)|\.templating.*definition"
    )
    assert [path for path in _dropped(ours, back) if not expected.fullmatch(path)] == []


def test_a_field_that_grafana_does_not_know_would_be_found():
    assert list(_dropped({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2]}})) == [".a.b", ".a.c[0]"]


@pytest.mark.parametrize(("uid", "panel"), PANELS, ids=IDS)
def test_every_panel_says_what_it_shows_in_which_unit_and_from_when_it_is_bad(uid, panel: Panel):
    assert panel.description.endswith(".")
    assert len(panel.description) > 15
    assert panel.unit
    assert panel.queries
    assert len(panel.queries) <= 10
    values = [value for value, _ in panel.steps]
    assert values == sorted(values)
    if panel.kind == "table":
        assert panel.columns
    else:
        assert all(query.legend for query in panel.queries)
        assert len(values) > 1 or panel.words or panel.title in OF_ANY_MEASURE


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.uid)
def test_rows_are_full_and_panels_do_not_overlap(dashboard):
    taken = set()
    for panel in to_json(dashboard)["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    # No hole: every line of cells goes from the left to the right.
    lines = {y for _, y in taken}
    assert taken == {(x, y) for y in lines for x in range(COLUMNS)}
    assert lines == set(range(max(lines) + 1))


@pytest.mark.parametrize(("uid", "panel"), PANELS, ids=IDS)
def test_a_panel_is_wide_enough_on_a_screen_of_1440_pixels(uid, panel: Panel):
    # The page is some 1400 pixels wide there: 58 a column.
    least = {"stat": 3, "gauge": 3, "timeseries": 6, "table": 8, "state-timeline": 12}
    assert panel.width >= least[panel.kind]


def test_the_first_screen_answers_whether_a_run_is_healthy_converges_and_is_fast():
    run = to_json(DASHBOARDS[0])
    # At 1440 x 900, some 20 units of 38 pixels are seen.
    seen = {panel["title"] for panel in run["panels"] if panel["gridPos"]["y"] < 20}
    assert {"State", "Progress", "Time left", "Objective", "Images per second"} <= seen


def _queries() -> str:
    whole = [query.expr for _, panel in PANELS for query in panel.queries]
    return "\n".join([*whole, *(alert.expr for alert in alerts.ALERTS)])


def test_every_series_of_the_catalogue_is_shown_somewhere():
    text = _queries()
    shown = {name for name in CATALOGUE if re.search(rf"\b{exported(name, 'bucket')}\b", text)}
    assert set(CATALOGUE) - shown - NOT_SHOWN == set()


def test_no_query_reads_a_series_that_is_not_declared():
    known = {exported(name, part) for name in CATALOGUE for part in ("bucket", "sum", "count")}
    assert set(re.findall(r"\bray_ganntk_\w+", _queries())) <= known


def test_every_alert_has_its_paragraph_in_the_runbook():
    text = (ROOT / "docs" / "how-to" / "monitor.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (\w+)$", text, re.MULTILINE)
    assert headings == [alert.name for alert in alerts.ALERTS]


def test_grafana_gets_the_same_alerts_as_prometheus():
    (ours,) = yaml.safe_load(alerts.for_prometheus())["groups"]
    (theirs,) = yaml.safe_load(alerts.for_grafana())["groups"]
    assert [rule["alert"] for rule in ours["rules"]] == [rule["title"] for rule in theirs["rules"]]
    for one, other in zip(ours["rules"], theirs["rules"], strict=True):
        assert one["expr"] in other["data"][0]["model"]["expr"]
        assert one["for"] == other["for"]
        assert other["data"][0]["datasourceUid"] == alerts.DATASOURCE_UID
        assert len(other["uid"]) <= 40
        assert "$value" not in other["annotations"]["summary"]


def test_provisioning_names_the_data_source_of_the_alerts_and_both_folders_of_dashboards():
    (source,) = yaml.safe_load(build.files()["provisioning/datasources/ganntk.yaml"])["datasources"]
    assert source["uid"] == alerts.DATASOURCE_UID
    providers = yaml.safe_load(build.files()["provisioning/dashboards/ganntk.yaml"])["providers"]
    assert [each["folder"] for each in providers] == ["ganntk", "Ray"]
