"""What wakes somebody: each alert as a value, and its form in Prometheus and in Grafana.

Every expression gives one line for each thing that is wrong, and nothing where all is well.
"""

from dataclasses import dataclass
from typing import Any, Literal

import yaml

from dashboards.queries import exported

DATASOURCE_UID = "ganntk-prometheus"
RUNBOOK = "docs/how-to/monitor.md#"

_HEAD = "# Written by `ganntk dashboards build` from dashboards/alerts.py: edit that, not this.\n"
_RUN = "by (SessionName, run)"
_ACTIVE = f"max {_RUN} ({exported('run_active')})"


@dataclass(frozen=True)
class Alert:
    """Something that a person has to look at.

    Attributes:
        name: of the rule.
        expr: PromQL with an answer where it is true.
        lasting: for how long it has to be true, as in ``5m``.
        severity: ``page`` where a run is lost or lost money, else ``ticket``.
        summary: one sentence, with `{{ $labels.run }}` and such.
        plain: the same without `$value`, which is a 1 in Grafana's form of a rule; "" where it has
            none.
    """

    name: str
    expr: str
    lasting: str
    severity: Literal["page", "ticket"]
    summary: str
    plain: str = ""

    @property
    def anchor(self) -> str:
        """Of its paragraph in the runbook."""
        return self.name.lower()


def _late(name: str, seconds: int) -> str:
    """Runs that are on, whose newest time of something is so long ago."""
    return f"(time() - max {_RUN} ({exported(name)}) > {seconds}) and on (SessionName, run) " + (
        f"({_ACTIVE} == 1)"
    )


def _share(used: str, left: str) -> str:
    return f"{used} / ({used} + {left})"


def _growth(name: str, window: str) -> str:
    """By how much a total grew. A counter begins at 1 where nothing was: increase() misses that."""
    total = f"sum {_RUN} ({exported(name)})"
    return f"{total} - (sum {_RUN} ({exported(name)} offset {window}) or 0 * {total})"


_TRIALS_RUNNING = exported("trials") + '{state="RUNNING"}'

ALERTS = (
    Alert(
        "ObjectiveNotFinite",
        f"({_growth('non_finite_steps', '1h')}) > 0",
        "0s",
        "page",
        "The objective of {{ $labels.run }} is not finite: the run has ended.",
    ),
    Alert(
        "NoStep",
        _late("recorded_timestamp_seconds", 300),
        "0s",
        "page",
        "{{ $labels.run }} has recorded no step for {{ $value | humanizeDuration }}.",
        "{{ $labels.run }} has recorded no step for more than five minutes.",
    ),
    Alert(
        "RunVanished",
        # The least: a run that was resumed and has ended says 0 beside the 1 of its first driver.
        f"(min {_RUN} (last_over_time({exported('run_active')}[15m])) == 1) unless "
        f"on (SessionName, run) {_ACTIVE}",
        "1m",
        "page",
        "The driver of {{ $labels.run }} is gone, and did not say that the run ended.",
    ),
    Alert(
        "GpuIdle",
        "(avg by (SessionName, instance, GpuIndex) "
        "(avg_over_time(ray_node_gpus_utilization[10m])) < 5) and on (SessionName) "
        f"(max by (SessionName) (min_over_time({exported('run_active')}[10m])) == 1)",
        "5m",
        "ticket",
        "GPU {{ $labels.GpuIndex }} of {{ $labels.instance }} idles while a run is on.",
    ),
    Alert(
        "CheckpointTooOld",
        _late("checkpoint_timestamp_seconds", 3600),
        "0s",
        "ticket",
        "{{ $labels.run }} would lose {{ $value | humanizeDuration }} of work.",
        "{{ $labels.run }} would lose more than an hour of work.",
    ),
    Alert(
        "RestartLoop",
        f"({_growth('worker_restarts', '15m')}) >= 3",
        "0s",
        "page",
        "{{ $value }} workers of {{ $labels.run }} were replaced within 15 minutes.",
        "Three or more workers of {{ $labels.run }} were replaced within 15 minutes.",
    ),
    Alert(
        "WaitsForPlaces",
        # Trials of a sweep that is under way wait for each other's places: that is as it should be.
        '(sum by (SessionName) (ray_placement_groups{State=~"PENDING|RESCHEDULING"}) > 0) '
        f"unless on (SessionName) (sum by (SessionName) ({_TRIALS_RUNNING}) > 0)",
        "8m",
        "ticket",
        "{{ $value }} groups of workers have waited for a place for 8 minutes.",
        "Groups of workers have waited for a place for 8 minutes.",
    ),
    Alert(
        "DiskNearlyFull",
        "max by (SessionName, instance) "
        f"({_share('ray_node_disk_usage', 'ray_node_disk_free')}) > 0.9",
        "5m",
        "ticket",
        "The disk of {{ $labels.instance }} is full to {{ $value | humanizePercentage }}.",
        "The disk of {{ $labels.instance }} is full to more than 90 %.",
    ),
    Alert(
        "ObjectStoreNearlyFull",
        "max by (SessionName, instance) ("
        f"{_share('ray_object_store_used_memory', 'ray_object_store_available_memory')}) > 0.9",
        "5m",
        "ticket",
        "The object store of {{ $labels.instance }} is full to {{ $value | humanizePercentage }}.",
        "The object store of {{ $labels.instance }} is full to more than 90 %.",
    ),
)
"""All of them, the worst first."""


def for_prometheus() -> str:
    """A file of rules for Prometheus."""
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.lasting,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "runbook": RUNBOOK + alert.anchor},
        }
        for alert in ALERTS
    ]
    return _HEAD + _yaml({"groups": [{"name": "ganntk", "rules": rules}]})


def for_grafana() -> str:
    """The same for Grafana's own alerting, which stands alone where no Prometheus alerts."""
    group = {
        "orgId": 1,
        "name": "ganntk",
        "folder": "ganntk",
        "interval": "30s",
        "rules": [_grafana(alert) for alert in ALERTS],
    }
    return _HEAD + _yaml({"apiVersion": 1, "groups": [group]})


def _grafana(alert: Alert) -> dict[str, Any]:
    window = {"from": 600, "to": 0}
    query = {
        "refId": "A",
        "relativeTimeRange": window,
        "datasourceUid": DATASOURCE_UID,
        # A value of zero is a reason, too: what counts is that there is an answer.
        "model": {"refId": "A", "expr": f"0 * ({alert.expr}) + 1", "instant": True},
    }
    threshold = {
        "refId": "B",
        "relativeTimeRange": window,
        "datasourceUid": "__expr__",
        "model": {
            "refId": "B",
            "type": "threshold",
            "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
        },
    }
    return {
        "uid": f"ganntk-{alert.anchor}",
        "title": alert.name,
        "condition": "B",
        "data": [query, threshold],
        "for": alert.lasting,
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": {"severity": alert.severity},
        # Of what is here, Grafana replaces no $ by its environment in annotations alone.
        "annotations": {
            "summary": alert.plain or alert.summary,
            "runbook": RUNBOOK + alert.anchor,
        },
    }


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=1000, allow_unicode=True)
