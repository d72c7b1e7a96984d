"""Panels, rows and dashboards as values, and their form in Grafana's JSON.

A row of panels fills 24 columns; places are computed, so that moving a panel is moving a line. What
Grafana fills in by itself is left out, and the same values give the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

Kind = Literal["timeseries", "stat", "gauge", "table", "bargauge", "text"]


@dataclass(frozen=True)
class Query:
    """One line of PromQL.

    Attributes:
        expr: with `$run`, `$cluster` and `$worker` where the dashboard has them.
        legend: with `{{label}}`.
        is_instant: the value now instead of a curve.
    """

    expr: str
    legend: str = ""
    is_instant: bool = False


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        title: a noun.
        description: what it shows, and what a good and a bad one look like.
        queries: at least one, but for a text.
        unit: Grafana's name of it.
        kind: of picture.
        width: columns of 24.
        is_log: whether the axis is logarithmic.
        is_stacked: whether areas add up.
        steps: thresholds, as (value from which it holds, colour); the first value is not used.
        least: lower end of the axis.
        most: upper end of the axis.
        needs: ``gpu``, ``sweep``, ``end``: what must be there for it to have data.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 8
    is_log: bool = False
    is_stacked: bool = False
    steps: tuple[tuple[float, str], ...] = ((0, "green"),)
    least: float | None = None
    most: float | None = None
    needs: str = ""


@dataclass(frozen=True)
class Row:
    """Panels side by side.

    Attributes:
        title: a question that they answer.
        panels: whose widths add up to 24, or to a multiple of it.
        height: in Grafana's units of about 30 pixels.
    """

    title: str
    panels: tuple[Panel, ...]
    height: int = 8


@dataclass(frozen=True)
class Variable:
    """A choice at the top of a dashboard.

    Attributes:
        name: as in `$name`.
        label: for people.
        query: PromQL's `label_values(...)`.
        is_many: whether several may be chosen.
    """

    name: str
    label: str
    query: str
    is_many: bool = True


@dataclass(frozen=True)
class Annotation:
    """Vertical lines where a query is not zero."""

    name: str
    expr: str
    colour: str
    text: str


@dataclass(frozen=True)
class Dashboard:
    """A page of rows.

    Attributes:
        uid: in its address.
        title: of the page.
        description: whom it helps.
        rows: from top to bottom.
        variables: besides the data source.
        annotations: over all panels.
        refresh: how often.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    refresh: str = "10s"
    span: str = "now-3h"
    links: tuple[str, ...] = field(default=())

    def panels(self) -> Iterator[Panel]:
        """All of them."""
        for row in self.rows:
            yield from row.panels


def to_json(dashboard: Dashboard) -> dict[str, Any]:
    """Grafana's form of a dashboard."""
    return {
        "annotations": {"list": [_annotation(each) for each in dashboard.annotations]},
        "description": dashboard.description,
        "editable": True,
        "graphTooltip": 1,  # one crosshair for all panels
        "links": [
            {"type": "dashboards", "title": "ganntk", "tags": ["ganntk"], "keepTime": True},
        ],
        "panels": list(_placed(dashboard.rows)),
        "refresh": dashboard.refresh,
        "schemaVersion": 38,
        "tags": ["ganntk"],
        "templating": {"list": [_datasource(), *map(_variable, dashboard.variables)]},
        "time": {"from": dashboard.span, "to": "now"},
        "timezone": "browser",
        "title": dashboard.title,
        "uid": dashboard.uid,
    }


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Each row's title and panels, at their places."""
    number, y = 1, 0
    for row in rows:
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
        yield {
            "collapsed": False,
            "gridPos": place,
            "id": number,
            "panels": [],
            "title": row.title,
            "type": "row",
        }
        number, y, x = number + 1, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y = 0, y + row.height
            place = {"h": row.height, "w": panel.width, "x": x, "y": y}
            yield {"id": number, "gridPos": place, **_panel(panel)}
            number, x = number + 1, x + panel.width
        y += row.height


def _panel(panel: Panel) -> dict[str, Any]:
    thresholds = [
        {"color": colour, "value": None if number == 0 else value}
        for number, (value, colour) in enumerate(panel.steps)
    ]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": thresholds},
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
    }
    if panel.least is not None:
        defaults["min"] = panel.least
    if panel.most is not None:
        defaults["max"] = panel.most
    if panel.kind == "timeseries":
        defaults["custom"] = _curve(panel)
    return {
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "datasource": DATASOURCE,
        "targets": [_target(query, place) for place, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel.kind),
    }


def _curve(panel: Panel) -> dict[str, Any]:
    return {
        "lineWidth": 2,
        "fillOpacity": 30 if panel.is_stacked else 0,
        "showPoints": "never",
        "spanNulls": 60_000,  # milliseconds: a worker that restarts leaves a gap, a scrape does not
        "scaleDistribution": {"type": "log", "log": 10} if panel.is_log else {"type": "linear"},
        "stacking": {"mode": "normal" if panel.is_stacked else "none"},
        "thresholdsStyle": {"mode": "line" if len(panel.steps) > 1 else "off"},
    }


def _options(kind: Kind) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if kind == "timeseries":
        legend = {"displayMode": "list", "placement": "bottom", "calcs": []}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    if kind == "stat":
        return {"reduceOptions": last, "graphMode": "area", "colorMode": "value"}
    if kind in ("gauge", "bargauge"):
        return {"reduceOptions": last, "orientation": "auto"}
    return {"showHeader": True, "cellHeight": "sm"}


def _target(query: Query, place: int) -> dict[str, Any]:
    return {
        "datasource": DATASOURCE,
        "expr": query.expr,
        "format": "table" if query.is_instant else "time_series",
        "instant": query.is_instant,
        "legendFormat": query.legend or "__auto",
        "range": not query.is_instant,
        "refId": "ABCDEFGHIJ"[place],
    }


def _datasource() -> dict[str, Any]:
    return {"type": "datasource", "name": "datasource", "label": "data", "query": "prometheus"}


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": DATASOURCE,
        "definition": variable.query,
        "query": {"query": variable.query, "refId": variable.name},
        "includeAll": variable.is_many,
        "multi": variable.is_many,
        "allValue": ".*" if variable.is_many else None,
        "current": {"text": "All", "value": "$__all"} if variable.is_many else {},
        "refresh": 2,  # when the time range changes
        "sort": 2,  # newest names first: they end with the time
    }


def _annotation(annotation: Annotation) -> dict[str, Any]:
    return {
        "name": annotation.name,
        "datasource": DATASOURCE,
        "enable": True,
        "expr": annotation.expr,
        "iconColor": annotation.colour,
        "titleFormat": annotation.text,
        "step": "10s",
    }
