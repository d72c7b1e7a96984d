"""Which values the next trial has: the sweep's searchers under Ray Tune. Layer 7.

A resumed sweep first goes on with the trials that had not ended, under their numbers. What ended is
told to the estimators of Optuna from the ledger, so they know all that they had known.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import yaml
from ray.tune.search import Searcher as TuneSearcher

from ganntk import config as configuration
from ganntk import storage
from ganntk.config import RunConfig
from ganntk.errors import InputError
from ganntk.run_folder import CONFIG, RunFolder
from ganntk.sweeps import settings
from ganntk.sweeps import space as spaces
from ganntk.sweeps.ledger import Ledger, State, Trial
from ganntk.sweeps.outcome import uri_of, value_of
from ganntk.sweeps.settings import Grid, Optuna, SweepConfig

NUMBER = "number"
"""Of a trial, among the values that Ray Tune knows of it."""


class Proposals(TuneSearcher):
    """Proposes trials to Ray Tune, each written down before it starts.

    Args:
        sweep: what is searched.
        ledger: where trials are written down, those of an earlier driver among them.
    """

    def __init__(self, sweep: SweepConfig, ledger: Ledger) -> None:
        super().__init__(metric=sweep.measure, mode=sweep.mode)
        self._ledger, self._sweep = ledger, sweep
        self._unended = [t for t in ledger.trials.values() if not t.state.is_ended]
        self._numbers: dict[str, int] = {}
        self._source = _source(sweep, ledger)

    @property
    def left(self) -> int:
        """Trials that are still to run."""
        return len(self._unended) + max(0, total(self._sweep) - len(self._ledger.trials))

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict, **spec: Any
    ) -> bool:
        """Everything is known from the sweep."""
        return True

    def suggest(self, trial_id: str) -> Any:
        """The configuration of one more trial, or that there is none."""
        if self._unended:
            trial = self._unended.pop(0)
        elif len(self._ledger.trials) < total(self._sweep):
            trial = self._ledger.propose(self._source.values(len(self._ledger.trials)))
        else:
            return TuneSearcher.FINISHED
        self._numbers[trial_id] = trial.number
        return {NUMBER: trial.number, **trial.values}

    def on_trial_complete(
        self, trial_id: str, result: dict | None = None, error: bool = False
    ) -> None:
        """Ray Tune is done with the trial; the ledger is told later how it ended."""
        trial, known = self._ledger.trials[self._numbers[trial_id]], result or {}
        state = trial.state
        if error or "failure" in known:
            state = State.ERROR
        elif not state.is_ended:
            state = State.FINISHED if known.get("finished") else State.STOPPED
        self._source.tell(replace(trial, state=state), known)

    def save(self, checkpoint_path: str) -> None:
        """The ledger is what is kept."""

    def restore(self, checkpoint_path: str) -> None:
        """Never: a sweep is resumed from its ledger."""
        raise NotImplementedError("a sweep is resumed from its ledger")


def total(sweep: SweepConfig) -> int:
    """How many trials the sweep has in all."""
    if not isinstance(sweep.searcher, Grid):
        return sweep.budget.trials
    combinations = len(spaces.grid(sweep.space))
    return min(combinations, sweep.budget.trials or combinations)


class _Drawn:
    """Values that depend on a trial's number alone."""

    def __init__(self, sweep: SweepConfig) -> None:
        self._sweep = sweep
        self._grid = spaces.grid(sweep.space) if isinstance(sweep.searcher, Grid) else None

    def values(self, number: int) -> dict[str, Any]:
        if self._grid is not None:
            return self._grid[number]
        return spaces.draw(self._sweep.space, seed=self._sweep.seed, number=number)

    def tell(self, trial: Trial, result: Mapping[str, Any]) -> None:
        """Nothing is learnt."""


class _Estimated:
    """Values that Optuna suggests from what is known."""

    def __init__(self, sweep: SweepConfig, ledger: Ledger, startup: int) -> None:
        try:
            import optuna
        except ImportError as error:
            raise InputError(
                "searcher optuna needs the package of that name: pip install ganntk[optuna], on "
                "the machine that drives the sweep"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna, self._sweep = optuna, sweep
        self._study = optuna.create_study(
            directions=[optuna.study.StudyDirection.MINIMIZE] * len(sweep.measures),
            # A resumed search must not draw again what its first draws were.
            sampler=optuna.samplers.TPESampler(
                seed=sweep.seed + len(ledger.trials), n_startup_trials=startup
            ),
        )
        self._asked: dict[int, Any] = {}
        self._waiting: list[tuple[Any, list[float]]] = []
        self._worst: list[float] = []
        for trial in ledger.trials.values():
            self._asked[trial.number] = self._known(trial)
            if trial.state.is_ended:
                self.tell(trial, {})

    def values(self, number: int) -> dict[str, Any]:
        asked = self._asked[number] = self._study.ask()
        return spaces.suggest(self._sweep.space, asked)

    def tell(self, trial: Trial, result: Mapping[str, Any]) -> None:
        """What a trial came to; what is missing is as bad as the worst known.

        Of a trial that was ended early the first measure alone counts where there are several: the
        others, such as copies, may be better before a run has come anywhere.
        """
        pairs = self._sweep.measures.items()
        end = {**trial.end, **{k: float(result[k]) for k, _ in pairs if k in result}}
        values = [value_of(replace(trial, end=end), name, mode) for name, mode in pairs]
        asked = self._asked.pop(trial.number)
        if not all(map(math.isfinite, values)):
            self._waiting.append((asked, []))
        elif trial.state is State.STOPPED and len(values) > 1:
            self._waiting.append((asked, values[:1]))
        else:
            self._study.tell(asked, values)
            self._worst = [max(pair) for pair in zip(values, self._worst or values, strict=True)]
        if self._worst:
            # The estimators learn nothing from a failure, and would ask for it again and again.
            for waiting, own in self._waiting:
                self._study.tell(waiting, own + self._worst[len(own) :])
            self._waiting.clear()

    def _known(self, trial: Trial) -> Any:
        """A trial of the study whose suggestions are the values of an earlier one."""
        given = {}
        for key, value in trial.values.items():
            parameter = self._sweep.space[key]
            is_choice = isinstance(parameter, spaces.Choice)
            given[key] = parameter.among.index(value) if is_choice else value
        self._study.enqueue_trial(given)
        asked = self._study.ask()
        spaces.suggest(self._sweep.space, asked)
        return asked


def _source(sweep: SweepConfig, ledger: Ledger) -> Any:
    if isinstance(sweep.searcher, Optuna):
        return _Estimated(sweep, ledger, sweep.searcher.startup)
    return _Drawn(sweep)


def population(sweep: SweepConfig, ledger: Ledger) -> Iterator[Trial]:
    """All trials that are not at their end, those that were never proposed among them.

    Their values are those of their run folders: a driver may have been killed between the change of
    a folder and the line of the ledger that tells of it.
    """
    source = _Drawn(sweep)
    while len(ledger.trials) < total(sweep):
        ledger.propose(source.values(len(ledger.trials)))
    for trial in [trial for trial in ledger.trials.values() if not trial.state.is_ended]:
        if (values := _held(sweep, trial)) != trial.values:
            ledger.change(trial.number, trial.steps, values)
        yield trial


def _held(sweep: SweepConfig, trial: Trial) -> dict[str, Any]:
    """The values that a trial's run folder says, or the trial's own where they are the same."""
    folder = RunFolder(uri_of(sweep, trial))
    if not storage.exists(folder.path(CONFIG)):
        return trial.values
    run = configuration.decode(yaml.safe_load(folder.config_text()))
    with contextlib.suppress(InputError):  # values that make no run are not those of the folder
        known = settings.run_of(sweep, trial.number, trial.values)
        if not configuration.differences(known, run):
            return trial.values
    return {key: _value_at(run, sweep, key) for key in trial.values}


def _value_at(run: RunConfig, sweep: SweepConfig, key: str) -> Any:
    """What a run has for a parameter, in the words of the space."""

    def at(config: RunConfig) -> Any:
        found = configuration.encode(config)
        for part in key.split("."):
            found = found[part]
        return found

    parameter = sweep.space[key]
    if isinstance(parameter, spaces.Choice):
        for value in parameter.among:
            if at(configuration.with_values(sweep.run, {key: value})) == at(run):
                return value
    return at(run)
