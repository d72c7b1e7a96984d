"""The answer of a sweep: the best trial, the front, and the tables. Layer 7, without Ray."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ganntk import config as configuration
from ganntk import storage
from ganntk.sweeps import settings
from ganntk.sweeps.ledger import State, Trial
from ganntk.sweeps.settings import SweepConfig

SWEEP = "sweep.yaml"
BEST = "best.yaml"
TRIALS = "trials.parquet"
PAGE = "sweep.html"
RESULT = "result.json"


def value_of(trial: Trial, measure: str, mode: str) -> float:
    """A measure of a trial with the smaller the better; infinite where it has none."""
    value = trial.last(measure)
    if trial.state is State.ERROR or not math.isfinite(value):
        return math.inf
    return value if mode == "min" else -value


def best_of(trials: Sequence[Trial], sweep: SweepConfig) -> Trial | None:
    """The trial with the best value of the first measure, among those that took all steps.

    Where no trial did, one that was ended early; None where no trial has a value.
    """
    measure, mode = sweep.measure, sweep.mode
    finished = [trial for trial in trials if trial.state is State.FINISHED]
    for among in (finished, trials):
        known = [trial for trial in among if math.isfinite(value_of(trial, measure, mode))]
        if known:
            return min(known, key=lambda trial: value_of(trial, measure, mode))
    return None


def front_of(trials: Sequence[Trial], sweep: SweepConfig) -> list[Trial]:
    """Finished trials that no other one beats in one measure without losing in another."""
    kept, points = [], []
    for trial in trials:
        point = [value_of(trial, name, mode) for name, mode in sweep.measures.items()]
        if trial.state is State.FINISHED and all(map(math.isfinite, point)):
            kept.append(trial)
            points.append(point)
    if not kept:
        return []
    values = np.asarray(points)
    is_beaten = [
        bool(np.any(np.all(values <= one, axis=1) & np.any(values < one, axis=1))) for one in values
    ]
    front = [trial for trial, beaten in zip(kept, is_beaten, strict=True) if not beaten]
    measure, mode = sweep.measure, sweep.mode
    return sorted(front, key=lambda trial: value_of(trial, measure, mode))


def table_of(trials: Sequence[Trial], sweep: SweepConfig) -> pa.Table:
    """One row for each trial: what became of it, its values, measures and run folder.

    Values of parameters that are words or mappings are text, as JSON where they are mappings;
    numbers are numbers. Columns of parameters have their dotted key for a name.
    """
    columns: dict[str, Any] = {
        "trial": [trial.number for trial in trials],
        "state": [trial.state.value for trial in trials],
        "reason": [trial.reason for trial in trials],
        "steps_taken": [trial.steps for trial in trials],
        "seconds": [trial.seconds for trial in trials],
    }
    for key in sweep.space:
        columns[key] = _column([trial.values.get(key) for trial in trials])
    for name in _measures(trials, sweep):
        columns[name] = [trial.last(name) for trial in trials]
    columns["run_uri"] = [uri_of(sweep, trial) for trial in trials]
    return pa.table(columns)


def uri_of(sweep: SweepConfig, trial: Trial) -> str:
    """The run folder of a trial."""
    return storage.join(sweep.sweep_uri, "trials", f"{trial.number:05d}")


def write_best(sweep: SweepConfig, best: Trial) -> str:
    """Write the configuration of a trial as `best.yaml`, which `ganntk synthesize` runs."""
    uri = storage.join(sweep.sweep_uri, BEST)
    head = (
        f"# Trial {best.number} of {sweep.sweep_uri}: {sweep.measure} {best.last(sweep.measure)!r} "
        f"after {best.steps} steps.\n"
    )
    storage.write_text(uri, head + configuration.dump(settings.alone(sweep, best.values)))
    return uri


def write_table(sweep: SweepConfig, trials: Sequence[Trial]) -> str:
    """Write `trials.parquet`."""
    uri = storage.join(sweep.sweep_uri, TRIALS)
    storage.write_table(uri, table_of(trials, sweep))
    return uri


def write_result(sweep: SweepConfig, result: Mapping[str, Any]) -> None:
    """Write `result.json`."""
    text = json.dumps(dict(result), indent=2, allow_nan=False)
    storage.write_text(storage.join(sweep.sweep_uri, RESULT), text + "\n")


def _measures(trials: Sequence[Trial], sweep: SweepConfig) -> list[str]:
    """The sweep's measures, then all else that trials ended with."""
    others = sorted({name for trial in trials for name in trial.end} - set(sweep.measures))
    return [*sweep.measures, *others]


def _column(values: Sequence[Any]) -> list[Any]:
    if all((isinstance(v, int | float) and not isinstance(v, bool)) or v is None for v in values):
        return [None if v is None else float(v) for v in values]
    return [None if v is None else v if isinstance(v, str) else json.dumps(v) for v in values]
