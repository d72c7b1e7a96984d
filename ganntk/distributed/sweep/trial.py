"""One trial: a run of its own, whose records go to Ray Tune. Layer 6."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune

from ganntk import storage
from ganntk.checkpoint import store
from ganntk.config import RunConfig
from ganntk.distributed import driver
from ganntk.distributed.sweep.plan import Plan
from ganntk.distributed.sweep.search import values_of
from ganntk.errors import CheckpointError, InputError, NonFiniteObjectiveError
from ganntk.run_folder import RunFolder
from ganntk.telemetry import Record

TRIALS = "trials"
FAILED = "failed"
"""The series of a trial that came to nothing: its reason."""


def place(plan: Plan, trial_id: str) -> str:
    """The run folder of a trial."""
    return storage.join(plan.uri, TRIALS, trial_id)


class TuneSink:
    """Reports every record that holds all objectives, under the names of its series."""

    def __init__(self, objectives: Sequence[str]) -> None:
        self._objectives = objectives

    def write(self, record: Record) -> None:
        """Report; where the scheduler ends the trial this raises `SystemExit`."""
        if record.labels or not all(name in record.values for name in self._objectives):
            return
        times = {"step": record.step, "elapsed_seconds": record.elapsed_seconds}
        tune.report({**times, **record.values})

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is held."""


class _Silent:
    """A trial has no terminal."""

    def phase(self, sentence: str) -> None:
        """Say nothing."""

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """Say nothing."""


def carry_out(tuned: dict[str, Any], plan: Plan) -> None:
    """Run a trial, or go on with it after its process was lost; in a process of Tune's.

    What cannot be run, and what leaves the finite numbers, is reported as failed with its reason:
    it would fail again. Other errors are Tune's to repeat.

    Args:
        tuned: Tune's configuration of the trial.
        plan: of the sweep.
    """
    trial_id = tune.get_context().get_trial_id()
    try:
        config = _placed(plan.config_of(values_of(tuned)), place(plan, trial_id))
        sink = TuneSink(list(plan.objectives))
        if store.listed(config.run_uri):
            _go_on(config, sink)
        else:
            storage.remove(config.run_uri)  # what was left before the first checkpoint
            driver.run(config, _Silent(), sinks=[sink])
    except (InputError, NonFiniteObjectiveError, CheckpointError) as error:
        tune.report({**_worst(plan.objectives), "step": 0, FAILED: str(error)})


def _go_on(config: RunConfig, sink: TuneSink) -> None:
    """Take the steps that are left, if any, and report again what was reported of the end."""
    if RunFolder.open(config.run_uri).read_result() is None:
        driver.resume(config, _Silent(), sinks=[sink])
        return
    for line in RunFolder.open(config.run_uri).read_metrics():
        if line["step"] == config.steps and "labels" not in line:
            values = {k: v for k, v in line.items() if isinstance(v, int | float)}
            sink.write(Record(line["step"], line["elapsed_seconds"], values, {}))


def _placed(config: RunConfig, uri: str) -> RunConfig:
    """A trial's workers are in its own process, or beside it in its placement group."""
    address = "none" if config.cluster.workers == 1 else "auto"
    cluster = dataclasses.replace(config.cluster, address=address)
    return dataclasses.replace(config, run_uri=uri, cluster=cluster)


def _worst(objectives: Mapping[str, str]) -> dict[str, float]:
    return {name: math.inf if mode == "min" else -math.inf for name, mode in objectives.items()}
