"""Panels, rows and dashboards as values, and their form in Grafana's JSON.

A row of panels fills 24 columns; places are computed, so that moving a panel is moving a line. What
Grafana fills in by itself is left out, and the same values give the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

Kind = Literal["timeseries", "stat", "gauge", "table", "bargauge", "state-timeline"]

Thresholds = tuple[tuple[float, str], ...]
"""Colours, and the value from which each holds; the first holds from below."""


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

    @property
    def is_table(self) -> bool:
        """Whether its answer is read as rows and columns: one without a legend is."""
        return self.is_instant and not self.legend


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        title: a noun.
        description: what it shows, and what a good and a bad one look like.
        queries: at least one.
        unit: Grafana's name of it.
        kind: of picture.
        width: columns of 24.
        is_log: whether the axis is logarithmic.
        is_stacked: whether areas add up.
        steps: thresholds, as (value from which it holds, colour); the first value is not used.
        least: lower end of the axis.
        most: upper end of the axis.
        words: for some values, what is shown instead, with its colour.
        columns: of a table, the names that Prometheus gives and those that people read, in order;
            other columns are hidden.
        link: where a click on a cell leads, with Grafana's `${__data...}`.
        needs: what must be there for it to have data: ``gpu``, ``sweep``, ``levels`` of resolution,
            ``checks`` of a run that is watched, ``quality`` of `ganntk evaluate`; empty where every
            run has it.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Kind = "timeseries"
    width: int = 8
    is_log: bool = False
    is_stacked: bool = False
    steps: Thresholds = ((0, "green"),)
    least: float | None = None
    most: float | None = None
    words: tuple[tuple[float, str, str], ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    link: str = ""
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
    """A choice at the top of a dashboard, of one, several or all.

    Attributes:
        name: as in `$name`.
        label: for people.
        query: PromQL's `label_values(...)`; empty for a text that a person writes.
    """

    name: str
    label: str
    query: str = ""


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
        span: what is shown at first.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    refresh: str = "10s"
    span: str = "now-3h"

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
    found = {
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "datasource": DATASOURCE,
        "targets": [_target(query, place) for place, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel.kind),
    }
    if panel.columns:
        found["transformations"] = _transformations(panel)
    return found


def _defaults(panel: Panel) -> dict[str, Any]:
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
    if panel.words:
        options = {
            f"{value:g}": {"text": text, "color": colour, "index": index}
            for index, (value, text, colour) in enumerate(panel.words)
        }
        defaults["mappings"] = [{"type": "value", "options": options}]
    if panel.kind == "timeseries":
        defaults["custom"] = _curve(panel)
    if panel.kind == "state-timeline":
        defaults["custom"] = {"lineWidth": 0, "fillOpacity": 80}
    return defaults


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    """The column of a table that leads elsewhere: its last."""
    if not panel.link:
        return []
    link = {"title": "open", "url": panel.link, "targetBlank": True}
    matcher = {"id": "byName", "options": panel.columns[-1][1]}
    return [{"matcher": matcher, "properties": [{"id": "links", "value": [link]}]}]


def _transformations(panel: Panel) -> list[dict[str, Any]]:
    """The answers of a table's queries side by side, and of their columns those that were named."""
    keep = {"names": [name for name, _ in panel.columns]}
    order = {name: place for place, (name, _) in enumerate(panel.columns)}
    return [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": keep}},
        {"id": "organize", "options": {"indexByName": order, "renameByName": dict(panel.columns)}},
    ]


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
    if kind == "state-timeline":
        return {"mergeValues": True, "showValue": "never", "rowHeight": 0.9}
    return {"showHeader": True, "cellHeight": "sm"}


def _target(query: Query, place: int) -> dict[str, Any]:
    return {
        "datasource": DATASOURCE,
        "expr": query.expr,
        "format": "table" if query.is_table else "time_series",
        "instant": query.is_instant,
        "legendFormat": query.legend or "__auto",
        "range": not query.is_instant,
        "refId": "ABCDEFGHIJ"[place],
    }


def _datasource() -> dict[str, Any]:
    return {"type": "datasource", "name": "datasource", "label": "data", "query": "prometheus"}


def _variable(variable: Variable) -> dict[str, Any]:
    if not variable.query:
        return {"type": "textbox", "name": variable.name, "label": variable.label, "query": ""}
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "datasource": DATASOURCE,
        "definition": variable.query,
        "query": {"query": variable.query, "refId": variable.name},
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
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
