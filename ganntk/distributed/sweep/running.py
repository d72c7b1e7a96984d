"""Carrying a sweep out on a Ray cluster, or going on with one. Layer 6."""

import functools
import logging
import math
import os
from typing import Any

import ray
from ray import tune
from ray.tune import Callback, CheckpointConfig, FailureConfig, ResultGrid, TuneConfig, Tuner

from ganntk import storage
from ganntk.config import Cluster
from ganntk.distributed.monitored import RayMetricsSink
from ganntk.distributed.ray_session import session, stay_on_loopback
from ganntk.distributed.sweep import plan as plans
from ganntk.distributed.sweep import results, search
from ganntk.distributed.sweep.front import Point, front_of
from ganntk.distributed.sweep.plan import Plan
from ganntk.distributed.sweep.results import Summary
from ganntk.distributed.sweep.trial import carry_out
from ganntk.errors import InputError
from ganntk.telemetry import Recorder

_log = logging.getLogger(__name__)

TUNE = "tune"
"""The folder of Tune's own state, below that of the sweep."""


def run(plan: Plan) -> Summary:
    """Carry a sweep out, and leave its table, its best configuration and its page.

    Raises:
        InputError: the folder holds a sweep already, or there is no cluster.
    """
    if storage.exists(storage.join(plan.uri, plans.PLAN)):
        raise InputError(
            f"{plan.uri} already holds a sweep: go on with `ganntk sweep --resume {plan.uri}`, or "
            "choose another uri"
        )
    storage.make_folder(plan.uri)
    plans.save(plan)
    with _on_ray(plan.address):
        tuner = Tuner(
            _trainable(plan),
            param_space=search.param_space(plan),
            tune_config=TuneConfig(
                search_alg=search.searcher_of(plan),
                scheduler=search.scheduler_of(plan, _steps(plan)),
                num_samples=plan.trials if plan.searcher == "optuna" else 1,
                max_concurrent_trials=plan.concurrent if plan.searcher != "optuna" else None,
                trial_name_creator=_short_name,
                trial_dirname_creator=_short_name,
            ),
            run_config=_run_config(plan),
        )
        return _end(plan, tuner.fit())


def resume(uri: str, address: str | None = None) -> Summary:
    """Go on with a sweep whose driver ended: finished trials stay, others go on.

    Args:
        uri: the sweep's folder.
        address: of another cluster; None for the plan's.

    Raises:
        InputError: there is no sweep.
    """
    plan = plans.saved(uri)
    with _on_ray(address or plan.address):
        state = storage.join(_absolute(uri), TUNE)
        if not Tuner.can_restore(state):
            raise InputError(
                f"{uri} ended before its first trial began: start it again with another uri"
            )
        tuner = Tuner.restore(
            state,
            _trainable(plan),
            param_space=search.param_space(plan),
            resume_unfinished=True,
            restart_errored=False,
        )
        return _end(plan, tuner.fit())


class Progress(Callback):
    """Says how many trials are in which state, and the best so far."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._recorder: Recorder | None = None
        self._best: float | None = None
        self._costs: dict[str, Point] = {}
        self._front: list[Point] = []

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Count the trials."""
        counts: dict[str, int] = dict.fromkeys(("PENDING", "RUNNING", "TERMINATED", "ERROR"), 0)
        for trial in trials:
            counts[trial.status] = counts.get(trial.status, 0) + 1
        for state, count in counts.items():
            self._records().record(iteration, {"trials": count}, {"state": state})

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: Any, **info: Any):
        """Remember the best."""
        value, metric = result.get(self._plan.metric), self._plan.metric
        if value is None or abs(value) == float("inf"):
            return
        better = min if self._plan.mode == "min" else max
        best = value if self._best is None else better(self._best, value)
        self._best = best
        self._records().record(iteration, {"trial_best": best}, {"measure": metric})
        seconds = float(result.get("time_total_s", 0.0))
        self._costs[trial.trial_id] = Point(value, seconds)
        self._record_front(iteration)

    def _record_front(self, iteration: int) -> None:
        """The trade-offs between the metric and its time; a point that is gone is forgotten."""
        before, front = len(self._front), front_of(self._costs.values(), self._plan.mode)
        self._front = front
        gone = [Point(math.nan, math.nan)] * max(0, before - len(front))
        for number, point in enumerate([*front, *gone]):
            for measure, value in zip((self._plan.metric, "seconds"), point, strict=True):
                labels = {"measure": measure, "point": str(number)}
                self._records().record(iteration, {"trial_front": value}, labels)

    def _records(self) -> Recorder:
        if self._recorder is None:
            name = self._plan.uri.rstrip("/").rsplit("/", 1)[-1]
            self._recorder = Recorder([RayMetricsSink(name)])
        return self._recorder

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_recorder": None}  # Tune saves its callbacks


def _trainable(plan: Plan) -> Any:
    """A trial with what it needs of the cluster."""
    cluster = plan.config_of({}).cluster
    trial = functools.partial(carry_out, plan=plan)
    return tune.with_resources(trial, tune.PlacementGroupFactory(_bundles(plan, cluster)))


def _bundles(plan: Plan, cluster: Cluster) -> list[dict[str, float]]:
    one = {"CPU": plan.cpus, **({"GPU": gpus} if (gpus := _gpus(plan)) else {})}
    if cluster.workers == 1:
        return [one]
    # The trial's own process drives its workers and computes little.
    return [{"CPU": 0.1}, *[dict(one) for _ in range(cluster.workers)]]


def _gpus(plan: Plan) -> float:
    if plan.gpus is not None:
        return plan.gpus
    return 1.0 if ray.is_initialized() and ray.cluster_resources().get("GPU", 0) else 0.0


def _run_config(plan: Plan) -> tune.RunConfig:
    workers = plan.config_of({}).cluster.workers
    return tune.RunConfig(
        name=TUNE,
        storage_path=_absolute(plan.uri),
        stop=search.Budget(plan.hours, plan.gpu_hours, _gpus(plan) * workers),
        failure_config=FailureConfig(max_failures=plan.failures),
        checkpoint_config=CheckpointConfig(num_to_keep=None),
        callbacks=[Progress(plan)],
        verbose=0,
    )


def _end(plan: Plan, grid: ResultGrid) -> Summary:
    return results.write(plan, results.rows_of(plan, grid))


def _steps(plan: Plan) -> int:
    return plan.config_of({}).steps


def _short_name(trial: Any) -> str:
    return str(trial.trial_id)


def _absolute(uri: str) -> str:
    return os.path.abspath(uri) if storage.is_local(uri) else uri


def _on_ray(address: str) -> Any:
    if address == "local":
        stay_on_loopback()
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    return session(address)
