"""Which trials end early: the sweep's schedulers under Ray Tune. Layer 7.

After a resumption a new scheduler is shown the reports of the trials that have ended, from the
ledger: its rungs and medians are those that the killed driver had.
"""

from collections.abc import Iterable
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    TrialScheduler,
)

from ganntk.sweeps.ledger import State, Trial
from ganntk.sweeps.population import Population
from ganntk.sweeps.settings import Asha, Median, Pbt, SweepConfig

STEP = "step"
"""Optimiser steps taken, in a trial's report."""


class Medians(MedianStoppingRule):
    """Ray Tune's rule, without pauses: where too few trials have come as far, a trial goes on."""

    def _on_insufficient_samples(self, tune_controller: Any, trial: TuneTrial, time: float) -> str:
        return TrialScheduler.CONTINUE


def scheduler_of(sweep: SweepConfig, ended: Iterable[Trial]) -> TrialScheduler:
    """The scheduler of a sweep that knows what has ended.

    Args:
        sweep: what is asked for.
        ended: trials of an earlier driver.
    """
    chosen = _chosen(sweep)
    if isinstance(chosen, AsyncHyperBandScheduler | MedianStoppingRule):
        for trial in ended:
            if trial.state is not State.ERROR:
                _show(chosen, trial, sweep.measure)
    return chosen


def _chosen(sweep: SweepConfig) -> TrialScheduler:
    asked: Any = sweep.scheduler
    common: Any = {"time_attr": STEP, "metric": sweep.measure, "mode": sweep.mode}
    if isinstance(asked, Asha):
        # One above the last step: who comes so far has ended by itself.
        return AsyncHyperBandScheduler(
            max_t=sweep.run.steps + 1,
            grace_period=asked.grace,
            reduction_factor=asked.factor,
            **common,
        )
    if isinstance(asked, Median):
        return Medians(
            grace_period=asked.grace,
            min_samples_required=asked.others,
            **common,
        )
    if isinstance(asked, Pbt):
        return Population(
            sweep.space,
            perturbation_interval=asked.interval,
            quantile_fraction=asked.quantile,
            resample_probability=asked.resample,
            **common,
        )
    return FIFOScheduler()


def _show(scheduler: TrialScheduler, trial: Trial, measure: str) -> None:
    """Tell a scheduler of a trial that has ended, as if it ran before its eyes."""
    reports = [(step, v[measure]) for step, v in sorted(trial.reports.items()) if measure in v]
    if not reports:
        return
    stand_in: Any = TuneTrial("ended", stub=True)
    controller: Any = None  # neither rule looks at it
    results = [{STEP: step, measure: value} for step, value in reports]
    scheduler.on_trial_add(controller, stand_in)
    # Medians would end the trial a second time; all that they do at an end is to remember.
    shown = scheduler.on_trial_complete
    if not isinstance(scheduler, MedianStoppingRule):
        shown = scheduler.on_trial_result
    for result in results:
        shown(controller, stand_in, result)
    scheduler.on_trial_complete(controller, stand_in, results[-1])
