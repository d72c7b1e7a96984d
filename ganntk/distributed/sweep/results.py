"""What comes of a sweep: a table, the best configuration, a page. Layer 6."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from ray.tune import ResultGrid

from ganntk import config as configuration
from ganntk import storage
from ganntk.distributed.sweep.plan import Plan
from ganntk.distributed.sweep.search import values_of
from ganntk.distributed.sweep.space import Values
from ganntk.distributed.sweep.trial import FAILED, place
from ganntk.report import sweep_page
from ganntk.report.sweep_page import Trial
from ganntk.telemetry import CATALOGUE

TABLE = "trials.parquet"
BEST = "best.yaml"
PAGE = "sweep.html"


@dataclass(frozen=True)
class Summary:
    """The end of a sweep, as its last line says it.

    Attributes:
        uri: the sweep's folder.
        trials: how many there were.
        finished: how many took all their steps.
        ended_early: how many the scheduler, or a stopping rule, ended.
        failed: how many came to nothing.
        steps: taken by all.
        best: the series of the best trial, and its run folder; empty where all failed.
    """

    uri: str
    trials: int
    finished: int
    ended_early: int
    failed: int
    steps: int
    best: dict[str, Any]


def rows_of(plan: Plan, grid: ResultGrid) -> list[Trial]:
    """The trials in the order of their names."""
    found = []
    for result in grid:
        metrics, trial_id = result.metrics or {}, _name(result)
        values = values_of({k: v for k, v in (result.config or {}).items() if k != "stopping"})
        reason = metrics.get(FAILED) or (_line(result.error) if result.error else "")
        series = {
            name: float(metrics[name])
            for name in CATALOGUE
            if isinstance(metrics.get(name), int | float)
        }
        found.append(
            Trial(
                name=trial_id,
                run_uri=place(plan, trial_id),
                values=values,
                series=series,
                state=_state(plan, values, series, reason),
                reason=reason,
                curve=_curve(result, plan.metric),
            )
        )
    return sorted(found, key=lambda trial: trial.name)


def write(plan: Plan, trials: list[Trial]) -> Summary:
    """Write the table, the best configuration and the page into the sweep's folder."""
    best = best_of(plan, trials)
    storage.write_table(storage.join(plan.uri, TABLE), table_of(plan, trials))
    if best is not None:
        text = best_yaml(plan, best)
        storage.write_text(storage.join(plan.uri, BEST), text)
    page = sweep_page.render(plan.uri, dict(plan.objectives), trials, best)
    storage.write_text(storage.join(plan.uri, PAGE), page)
    states = [trial.state for trial in trials]
    return Summary(
        uri=plan.uri,
        trials=len(trials),
        finished=states.count("finished"),
        ended_early=states.count("ended early"),
        failed=states.count("failed"),
        steps=int(sum(trial.series.get("step", 0.0) for trial in trials)),
        best={} if best is None else {**_objectives(plan, best), "run_uri": best.run_uri},
    )


def best_of(plan: Plan, trials: list[Trial]) -> Trial | None:
    """The trial with the best last value of the first objective."""
    sign = 1 if plan.mode == "min" else -1
    usable = [
        trial
        for trial in trials
        if trial.state != "failed" and math.isfinite(trial.series.get(plan.metric, math.nan))
    ]
    return min(usable, key=lambda trial: sign * trial.series[plan.metric], default=None)


def best_yaml(plan: Plan, best: Trial) -> str:
    """The configuration of a trial, for `ganntk synthesize`, to the step that it came to."""
    config = plan.config_of(best.values)
    steps = int(best.series["step"])
    config = dataclasses.replace(config, run_uri="runs/best-{time}", steps=steps)
    found = ", ".join(f"{name} {value:.6g}" for name, value in _objectives(plan, best).items())
    head = f"# The best of {plan.uri}, trial {best.name}: {found}.\n"
    return head + configuration.dump(config)


def table_of(plan: Plan, trials: list[Trial]) -> pa.Table:
    """One row a trial; columns are its state, the values tried, and the last of every series."""
    keys = [parameter.key for parameter in plan.space.parameters]
    series = sorted({name for trial in trials for name in trial.series})
    columns: dict[str, list[Any]] = {
        "trial": [trial.name for trial in trials],
        "state": [trial.state for trial in trials],
        "reason": [trial.reason for trial in trials],
        "run_uri": [trial.run_uri for trial in trials],
    }
    for key in keys:
        given = [trial.values.get(key) for trial in trials]
        columns[key] = _column(given)
    for name in series:
        columns[name] = [trial.series.get(name) for trial in trials]
    return pa.table(columns)


def _column(given: list[Any]) -> list[Any]:
    """Values of one type; as JSON where they are of several, which no column of a table holds."""
    kinds = {type(value) for value in given if value is not None}
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in given]
    if len(kinds) <= 1 and not kinds & {list, dict}:
        return given
    return [json.dumps(value) for value in given]


def _objectives(plan: Plan, trial: Trial) -> dict[str, float]:
    return {name: trial.series[name] for name in plan.objectives if name in trial.series}


def _state(plan: Plan, values: Values, series: dict[str, float], reason: str) -> str:
    if reason:
        return "failed"
    if plan.metric not in series:
        return "not begun"
    return "finished" if series["step"] >= plan.config_of(values).steps else "ended early"


def _curve(result: Any, metric: str) -> list[tuple[float, float]]:
    frame = result.metrics_dataframe
    if frame is None or metric not in frame or "step" not in frame:
        return []
    pairs = zip(frame["step"], frame[metric], strict=True)
    # A trial that went on after its process was lost reports some steps twice.
    return sorted({float(step): float(value) for step, value in pairs}.items())


def _name(result: Any) -> str:
    return str(result.path).rstrip("/").rsplit("/", 1)[-1]


def _line(error: BaseException) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return (lines[-1].strip() if lines else type(error).__name__)[:300]
