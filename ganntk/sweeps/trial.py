"""One trial: a run like any other, in a folder of its own, that reports to Ray Tune. Layer 7.

A trial whose process was lost, or whose driver was killed, goes on from its last checkpoint. What
cannot work (values that make no run, an objective that is not finite) is reported as a failure and
not tried again.
"""

import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ray import tune

from ganntk import distributed, evaluation, storage
from ganntk.checkpoint import store
from ganntk.config import Cluster, RunConfig
from ganntk.data import Dataset
from ganntk.distributed import Company
from ganntk.distributed.shared import Shared, data_key
from ganntk.errors import BusyFolderError, InputError, NonFiniteObjectiveError
from ganntk.features import open_extractor
from ganntk.run_folder import RESULT, RunFolder
from ganntk.sweeps import settings
from ganntk.sweeps.pool import Pooled
from ganntk.sweeps.population import adopt, donor, pointer
from ganntk.sweeps.scheduling import STEP
from ganntk.sweeps.settings import QUALITY, Pbt, SweepConfig
from ganntk.telemetry import Record, nothing

_log = logging.getLogger(__name__)

FAILURE, FINISHED = "failure", "finished"
"""In a trial's last report: why it failed, or that it took all steps."""

DRIVER_CPUS = 0.1
"""Of a trial whose workers are processes of their own: it waits for them most of the time."""

GPU_SHARE = 0.9
_SECONDS_BETWEEN_TRIES = 5.0


@dataclass(frozen=True)
class Surroundings:
    """What all trials are given.

    Attributes:
        sweep: the sweep.
        pool: the actor of what they share, or None.
        bundle: what one worker needs of Ray.
    """

    sweep: SweepConfig
    pool: Any
    bundle: Mapping[str, float]


class Quiet:
    """Watches a trial without a word: its numbers go to Ray Tune, its phases to its log."""

    def phase(self, sentence: str) -> None:
        """Log what began."""
        _log.info("%s", sentence)

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """The sink has told already."""


class TuneSink:
    """Sends the series of a run to Ray Tune, under their names.

    The last step is left to the end of the trial: a scheduler must not end a run that writes its
    images.

    Args:
        last: steps of the run.
        run_uri: named in checkpoints for Ray Tune, which population-based training copies; None
            for none.
    """

    def __init__(self, last: int, run_uri: str | None = None) -> None:
        self._last, self._run_uri = last, run_uri

    def write(self, record: Record) -> None:
        """Report one record of the steps; the process is ended in here when the trial is to end."""
        if not record.labels and "loss" in record.values and record.step < self._last:
            report({STEP: record.step, **record.values}, self._run_uri)

    def storing(self) -> Callable[[], None]:
        """Nothing waits."""
        return nothing

    def close(self) -> None:
        """Nothing is held."""


def report(values: Mapping[str, Any], run_uri: str | None) -> None:
    """Report to Ray Tune, with a checkpoint that says which run's state is meant."""
    if run_uri is None:
        tune.report(dict(values))
        return
    with tempfile.TemporaryDirectory(prefix="ganntk-tune-") as folder:
        tune.report(dict(values), checkpoint=pointer(folder, run_uri))


def carry_out(number: int, values: Mapping[str, Any], surroundings: Surroundings) -> None:
    """Run, or go on with, one trial, in a process of Ray Tune.

    Args:
        number: of the trial.
        values: of its parameters, dotted key -> value.
        surroundings: what all trials are given.
    """
    sweep = surroundings.sweep
    is_population = isinstance(sweep.scheduler, Pbt)
    try:
        run = settings.run_of(sweep, number, values)
        share_gpu(worker_bundle(run.cluster, surroundings.bundle))
        shared = Shared()
        if surroundings.pool is not None:
            name = RunFolder(run.run_uri).name if run.cluster.workers == 1 else None
            shared = Pooled(surroundings.pool, name)
        if is_population and (other := donor()) not in (None, run.run_uri):
            adopt(other, run)
        sink = TuneSink(run.steps, run.run_uri if is_population else None)
        result = go_on(run, Company([sink], shared))
        known = last_values(run, result) | _quality(sweep, run, shared)
    except (InputError, NonFiniteObjectiveError) as error:
        # Worse than every other: what compares trials needs a number.
        worst = {name: math.inf if m == "min" else -math.inf for name, m in sweep.measures.items()}
        tune.report({STEP: 0, FAILURE: str(error), **worst})
        return
    tune.report({STEP: result["steps"], FINISHED: True, **known})


def go_on(run: RunConfig, company: Company) -> Mapping[str, Any]:
    """The result of a run: as it lies in its folder, after the steps that are left, or after all.

    Raises:
        InputError: something given cannot be used.
        NonFiniteObjectiveError: the objective left the finite numbers.
    """
    folder = RunFolder(run.run_uri)
    if (result := folder.read_result()) is not None:
        return result
    if store.latest(run.run_uri) is not None:
        _resumed(run, company)
    else:
        # A folder of this sweep, of a process that was lost before its first checkpoint.
        storage.remove(run.run_uri)
        distributed.run(run, Quiet(), company)
    result = folder.read_result()
    assert result is not None, f"a run that has ended writes {RESULT}"
    return result


def _resumed(run: RunConfig, company: Company) -> None:
    """Resume a run, once a writer that was lost on another machine is known to be."""
    until = time.monotonic() + 2 * run.checkpoints.lease_seconds
    while True:
        try:
            distributed.resume(run, Quiet(), company)
        except BusyFolderError:
            if time.monotonic() > until:
                raise
            time.sleep(_SECONDS_BETWEEN_TRIES)
        else:
            return


def last_values(run: RunConfig, result: Mapping[str, Any]) -> dict[str, float]:
    """What is known of the step that a run kept: its records there, and its result."""
    records = RunFolder(run.run_uri).read_metrics()
    values: dict[str, float] = {}
    for record in records:
        if record["step"] == result["steps"] and "labels" not in record:
            values |= {k: v for k, v in record.items() if isinstance(v, int | float)}
    del values["step"], values["elapsed_seconds"]
    return values | {name: result[name] for name in ("loss", "loss_per_real", "lam")}


def resources(values: Mapping[str, Any], surroundings: Surroundings) -> list[dict[str, float]]:
    """The bundles of a trial: of its process, and of its workers where there are several.

    Values that make no run get the smallest: the trial will say what is wrong with them.
    """
    try:
        cluster = settings.run_of(surroundings.sweep, 0, values).cluster
    except InputError:
        return [{"CPU": DRIVER_CPUS}]
    bundle = worker_bundle(cluster, surroundings.bundle)
    if cluster.workers == 1:
        return [bundle]
    return [{"CPU": DRIVER_CPUS}] + [bundle] * cluster.workers


def worker_bundle(cluster: Cluster, usual: Mapping[str, float]) -> dict[str, float]:
    """What a worker of a trial needs, where its values ask for something else than usual."""
    gpus = cluster.gpus_per_worker
    found = {**usual, "CPU": cluster.cpus_per_worker}
    if gpus is not None:
        found["GPU"] = gpus
    return {name: amount for name, amount in found.items() if amount}


def _quality(sweep: SweepConfig, run: RunConfig, shared: Shared) -> dict[str, float]:
    """What `ganntk.evaluation` says of the rows: the first table that has a measure counts."""
    asked = sweep.evaluation
    if asked.reference is None:
        return {}
    folder = storage.join(sweep.sweep_uri, "features")
    protocol = evaluation.Protocol([open_extractor(asked.features, cache_uri=folder)])
    reference = _loaded(run, asked.reference, shared)
    held_out = _loaded(run, asked.held_out, shared)
    assert reference is not None
    quality = evaluation.evaluate(run.run_uri, reference, held_out, protocol)
    found: dict[str, float] = {}
    for table in quality.tables:
        for name, estimate in table.sets[0].numbers.items():
            found.setdefault(QUALITY + name, estimate.value)
    return found


def _loaded(run: RunConfig, source: Any, shared: Shared) -> Dataset | None:
    if source is None:
        return None
    return shared.value(data_key(replace(run, data=source)), source.load)


def share_gpu(bundle: Mapping[str, float]) -> None:
    """Take a part of a GPU's memory where the trial has a part of it: before JAX looks at it.

    Args:
        bundle: of the trial, whose values may ask for another part than the sweep does.
    """
    if 0 < (gpus := bundle.get("GPU", 0.0)) < 1:
        os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{GPU_SHARE * gpus:.3f}")
