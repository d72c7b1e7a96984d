"""A plan in the terms of Ray Tune: what is tried, and which trials are ended early. Layer 6."""

import time
from typing import Any

from ray import tune
from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher
from ray.tune.stopper import Stopper

from ganntk.distributed.sweep.plan import Plan
from ganntk.distributed.sweep.space import Parameter, Values
from ganntk.errors import InputError

VALUES = "values"
"""The key of a trial's values in Tune's configuration."""

TIME = "step"


def param_space(plan: Plan) -> dict[str, Any] | None:
    """What Tune is to try, written out in full where it does not depend on what was found."""
    if plan.searcher == "optuna":
        return None
    return {VALUES: tune.grid_search(plan.trial_values())}


def searcher_of(plan: Plan) -> Searcher | ConcurrencyLimiter | None:
    """Optuna, or None for what is written out.

    Raises:
        InputError: Optuna is not installed.
    """
    if plan.searcher != "optuna":
        return None
    try:
        import optuna
        from ray.tune.search.optuna import OptunaSearch
    except ImportError as error:
        raise InputError(
            "searcher: optuna needs Optuna, which is not installed: pip install 'ganntk[optuna]'"
        ) from error
    several = len(plan.objectives) > 1
    sampler = (
        optuna.samplers.TPESampler(seed=plan.seed, multivariate=not several, group=not several)
        if not several
        else optuna.samplers.TPESampler(seed=plan.seed)
    )
    search = OptunaSearch(
        space=_Defined(plan.space.parameters),
        metric=list(plan.objectives) if several else plan.metric,
        mode=list(plan.objectives.values()) if several else plan.mode,
        sampler=sampler,
    )
    # It learns from trials that have ended: with all at once there would be nothing to learn from.
    return ConcurrencyLimiter(search, plan.concurrent or 8)


class _Defined:
    """Asks Optuna for the values of one trial, in the order of the space."""

    def __init__(self, parameters: tuple[Parameter, ...]) -> None:
        self._parameters = parameters

    def __call__(self, trial: Any) -> None:
        chosen: Values = {}
        for parameter in self._parameters:
            if parameter.is_active(chosen):
                chosen[parameter.key] = _asked(trial, parameter)


def _asked(trial: Any, parameter: Parameter) -> Any:
    if parameter.kind == "choice":
        return trial.suggest_categorical(parameter.key, list(parameter.values))
    low, high = parameter.values
    if parameter.kind == "integer":
        return trial.suggest_int(parameter.key, low, high)
    return trial.suggest_float(parameter.key, low, high, log=parameter.kind == "log_uniform")


def values_of(config: dict[str, Any]) -> Values:
    """A trial's values in Tune's configuration, whoever proposed them."""
    return dict(config.get(VALUES, config))


def scheduler_of(plan: Plan, steps: int) -> TrialScheduler | None:
    """What ends trials early.

    Args:
        plan: of the sweep.
        steps: of a whole trial.
    """
    if plan.scheduler == "asha":
        return ASHAScheduler(
            time_attr=TIME,
            metric=plan.metric,
            mode=plan.mode,
            max_t=steps,
            grace_period=min(plan.grace, steps),
            reduction_factor=plan.reduction,
        )
    if plan.scheduler == "median":
        return MedianStoppingRule(
            time_attr=TIME, metric=plan.metric, mode=plan.mode, grace_period=plan.grace
        )
    return None


class Budget(Stopper):
    """Ends everything after so many hours of wall time, or of all GPUs together.

    Args:
        hours: of wall time, or None.
        gpu_hours: or None.
        gpus: of one trial.
    """

    def __init__(self, hours: float | None, gpu_hours: float | None, gpus: float) -> None:
        self._until = None if hours is None else time.time() + 3600 * hours
        self._gpu_seconds = None if gpu_hours is None else 3600 * gpu_hours
        self._gpus = gpus
        self._taken: dict[str, float] = {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self._taken[trial_id] = float(result.get("time_total_s", 0.0))
        return False

    def stop_all(self) -> bool:
        """Whether the budget is spent."""
        if self._until is not None and time.time() > self._until:
            return True
        spent = self._gpus * sum(self._taken.values())
        return self._gpu_seconds is not None and spent > self._gpu_seconds
