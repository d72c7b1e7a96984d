"""Ray Tune with a sweep's searcher, scheduler and resources. Layer 7.

What Ray Tune writes about an experiment is pickled, and is kept in a temporary folder of this
machine only: a sweep is resumed from its ledger and the checkpoints of its runs.
"""

import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.stopper import Stopper

from ganntk import storage
from ganntk.distributed.ray_group import bundle_of
from ganntk.errors import InputError
from ganntk.sweeps import pool as pools
from ganntk.sweeps.ledger import Ledger, State
from ganntk.sweeps.scheduling import STEP, scheduler_of
from ganntk.sweeps.searching import NUMBER, Proposals, population, total
from ganntk.sweeps.settings import Pbt, SweepConfig
from ganntk.sweeps.trial import FAILURE, FINISHED, Surroundings, carry_out, resources
from ganntk.sweeps.watching import Watched
from ganntk.telemetry import CATALOGUE

# It looks for files that a sweep does not let Ray Tune write.
logging.getLogger("ray.tune.analysis.experiment_analysis").setLevel(logging.ERROR)


def tune_trials(sweep: SweepConfig, ledger: Ledger, watched: Watched) -> None:
    """Run the trials that are left, until they have ended or the budget has.

    Args:
        sweep: what is asked for; this process is connected to Ray.
        ledger: the trials of earlier drivers, and where those of this one are written down.
        watched: told of each start and end.

    Raises:
        InputError: the budget counts GPUs, and there are none.
    """
    bundle = bundle_of(sweep.run.cluster)
    if sweep.budget.gpu_hours is not None and not bundle.get("GPU"):
        raise InputError(
            "budget.gpu_hours is set, and trials ask for no GPU: name run.cluster.gpus_per_worker, "
            "or take budget.trials or budget.seconds"
        )
    pool = pools.start() if sweep.share else None
    surroundings = Surroundings(sweep, pool, bundle)
    searched = _searched(sweep, ledger)
    if searched["num_samples"]:
        _run(sweep, ledger, watched, surroundings, searched)
    if pool is not None:
        watched.say_shared(pools.end(pool))


def _run(
    sweep: SweepConfig,
    ledger: Ledger,
    watched: Watched,
    surroundings: Surroundings,
    searched: Mapping[str, Any],
) -> None:
    def bundles(given: Mapping[str, Any]) -> tune.PlacementGroupFactory:
        return tune.PlacementGroupFactory(resources(values_of(given), surroundings))

    trainable = tune.with_parameters(_trial, surroundings=surroundings)
    ended = [trial for trial in ledger.trials.values() if trial.state.is_ended]
    with tempfile.TemporaryDirectory(prefix="ganntk-tune-") as folder:
        tune.run(
            tune.with_resources(trainable, bundles),
            name="sweep",
            storage_path=_store(sweep, folder),
            storage_filesystem=_file_system(sweep),
            scheduler=scheduler_of(sweep, ended),
            stop=Spent(surroundings, _already(sweep, ledger, surroundings)),
            time_budget_s=sweep.budget.seconds,
            max_concurrent_trials=sweep.concurrent or None,
            max_failures=sweep.failures,
            raise_on_failed_trial=False,
            callbacks=[Recording(ledger, watched, sweep)],
            trial_dirname_creator=lambda trial: trial.trial_id,
            verbose=0,
            **searched,
        )


def _searched(sweep: SweepConfig, ledger: Ledger) -> dict[str, Any]:
    """What Ray Tune takes trials from."""
    if isinstance(sweep.scheduler, Pbt):
        # This scheduler takes no searcher: all trials are there from the start.
        given = [{NUMBER: trial.number, **trial.values} for trial in population(sweep, ledger)]
        return {"config": tune.grid_search(given), "num_samples": min(1, len(given))}
    proposals = Proposals(sweep, ledger)
    return {"search_alg": proposals, "num_samples": proposals.left}


def _trial(given: Mapping[str, Any], surroundings: Surroundings) -> None:
    """The function that Ray Tune calls in a process of its own."""
    carry_out(int(given[NUMBER]), values_of(given), surroundings)


def values_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a trial's parameters, in what Ray Tune knows of it."""
    return {key: value for key, value in given.items() if key != NUMBER}


def _store(sweep: SweepConfig, folder: str) -> str:
    """Where Ray Tune keeps what it must: pointers to runs go from node to node."""
    if not isinstance(sweep.scheduler, Pbt):
        return folder
    return storage.arrow_file_system(storage.join(sweep.sweep_uri, "tune"))[1]


def _file_system(sweep: SweepConfig) -> Any:
    if not isinstance(sweep.scheduler, Pbt):
        return None
    return storage.arrow_file_system(sweep.sweep_uri)[0]


def gpus_of(given: Mapping[str, Any], surroundings: Surroundings) -> float:
    """GPUs that a trial holds."""
    return sum(each.get("GPU", 0.0) for each in resources(values_of(given), surroundings))


def _already(sweep: SweepConfig, ledger: Ledger, surroundings: Surroundings) -> float:
    """GPU seconds of earlier drivers."""
    trials = ledger.trials.values()
    return sum(trial.seconds * gpus_of(trial.values, surroundings) for trial in trials)


@dataclass
class Spent(Stopper):
    """Ends a sweep when its trials have had their GPU hours.

    Attributes:
        surroundings: of the trials, with the budget.
        already: GPU seconds of earlier drivers.
        seconds: GPU seconds of each trial so far.
    """

    surroundings: Surroundings
    already: float
    seconds: dict[str, float] = field(default_factory=dict)

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Count; a single trial is never ended alone."""
        if self.surroundings.sweep.budget.gpu_hours is not None:
            gpus = gpus_of(result["config"], self.surroundings)
            # Not the total, which begins anew with each process of a trial.
            self.seconds[trial_id] = (
                self.seconds.get(trial_id, 0.0) + result["time_this_iter_s"] * gpus
            )
        return False

    def stop_all(self) -> bool:
        """Whether the budget is spent."""
        hours = self.surroundings.sweep.budget.gpu_hours
        return hours is not None and self.already + sum(self.seconds.values()) >= 3600 * hours


class Recording(tune.Callback):
    """Writes into the ledger what Ray Tune sees, and tells who watches.

    Args:
        ledger: of the trials.
        watched: told of each start and end.
        sweep: whose measures are written down.
    """

    def __init__(self, ledger: Ledger, watched: Watched, sweep: SweepConfig) -> None:
        self._ledger, self._watched, self._sweep = ledger, watched, sweep

    def on_trial_start(self, iteration: int, trials: list, trial: TuneTrial, **info: Any) -> None:
        """A trial has its resources."""
        self._ledger.start(trial.config[NUMBER])
        self._watched.tell(total(self._sweep))

    def on_trial_result(
        self, iteration: int, trials: list, trial: TuneTrial, result: dict, **info: Any
    ) -> None:
        """A trial reports."""
        number, values = trial.config[NUMBER], values_of(trial.config)
        if FAILURE in result:
            return
        if values != self._ledger.trials[number].values:
            self._ledger.change(number, result[STEP], values)
        seconds = self._ledger.trials[number].seconds + result["time_this_iter_s"]
        measures = {name: result[name] for name in self._sweep.measures if name in result}
        self._ledger.report(number, result[STEP], seconds, measures)

    def on_trial_complete(
        self, iteration: int, trials: list, trial: TuneTrial, **info: Any
    ) -> None:
        """A trial has ended by itself, or a scheduler ended it."""
        number, last = trial.config[NUMBER], trial.last_result
        if FAILURE in last:
            self._ledger.end(number, State.ERROR, reason=last[FAILURE])
        elif last.get(FINISHED):
            self._ledger.end(number, State.FINISHED, end=_known_of(last))
        else:
            self._ledger.end(number, State.STOPPED, end=_known_of(last))
        self._watched.tell(total(self._sweep))

    def on_trial_error(self, iteration: int, trials: list, trial: TuneTrial, **info: Any) -> None:
        """A trial's process was lost too often, or raised what nobody expected."""
        self._ledger.end(trial.config[NUMBER], State.ERROR, reason=_reason(trial))
        self._watched.tell(total(self._sweep))


def _known_of(result: Mapping[str, Any]) -> dict[str, float]:
    """The series and measures of quality in a result."""
    names = [name for name in result if name in CATALOGUE or name.startswith("quality.")]
    return {name: float(result[name]) for name in names if name != STEP}


def _reason(trial: TuneTrial) -> str:
    """What a person looks for in the text of a trial's last failure, which lies on this machine."""
    path = trial.error_file
    if path is None or not os.path.exists(path):
        return "the trial's process was lost"
    with open(path, encoding="utf-8") as stream:
        last = stream.read().rpartition("Failure # ")[2]
    lines = [line.strip() for line in last.splitlines()[1:] if line.strip()]
    if "Traceback" in last and lines:
        return lines[-1]
    return f"the trial's process was lost: {lines[0] if lines else 'nothing is known'}"
