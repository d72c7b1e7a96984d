"""Which trials are proposed: numbers, grids, what Optuna learns, what a resumed search knows."""

import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="searchers are Ray Tune's")

from ray.tune.search import Searcher as TuneSearcher

from ganntk.sweeps.ledger import Ledger, State
from ganntk.sweeps.searching import NUMBER, Proposals, population, total
from ganntk.sweeps.settings import SweepConfig
from tests.sweeps.given import SPACE, choices, sweep_of


def _values(proposals: Proposals, count: int) -> list[dict]:
    return [proposals.suggest(str(place)) for place in range(count)]


def test_a_grid_is_proposed_in_its_order_and_ends(tmp_path: Path):
    sweep = sweep_of(
        tmp_path,
        space={**choices("kernel", "fnn", "rbf"), **choices("lam.value", 1.0, 2.0)},
        searcher={"type": "grid"},
        budget={"trials": 3},
    )
    assert total(sweep) == 3
    with Ledger(str(tmp_path)) as ledger:
        proposals = Proposals(sweep, ledger)
        assert proposals.left == 3
        assert _values(proposals, 3) == [
            {NUMBER: 0, "kernel": "fnn", "lam.value": 1.0},
            {NUMBER: 1, "kernel": "fnn", "lam.value": 2.0},
            {NUMBER: 2, "kernel": "rbf", "lam.value": 1.0},
        ]
        assert proposals.suggest("more") == TuneSearcher.FINISHED


def test_a_resumed_search_proposes_what_had_not_ended_and_then_the_rest(tmp_path: Path):
    sweep = sweep_of(tmp_path, budget={"trials": 4})
    with Ledger(str(tmp_path / "whole")) as ledger:
        whole = _values(Proposals(sweep, ledger), 4)
    with Ledger(str(tmp_path / "killed")) as ledger:
        _values(Proposals(sweep, ledger), 3)
        ledger.end(1, State.FINISHED)
    with Ledger(str(tmp_path / "killed")) as ledger:
        proposals = Proposals(sweep, ledger)
        assert proposals.left == 3
        assert _values(proposals, 3) == [whole[0], whole[2], whole[3]]


def test_a_population_is_there_from_the_start(tmp_path: Path):
    sweep = sweep_of(tmp_path, scheduler={"type": "pbt"}, budget={"trials": 3})
    with Ledger(str(tmp_path)) as ledger:
        assert [trial.number for trial in population(sweep, ledger)] == [0, 1, 2]
        ledger.end(1, State.FINISHED)
        assert [trial.number for trial in population(sweep, ledger)] == [0, 2]


def _searched(ledger: Ledger, sweep, count: int) -> list[float]:
    """Trials whose loss is least where lam is 3, one after the other."""
    proposals, found = Proposals(sweep, ledger), []
    for place in range(count):
        given = proposals.suggest(str(place))
        loss = abs(math.log(given["lam.value"] / 3))
        if given["kernel"] == "bad":
            ledger.end(given[NUMBER], State.ERROR, reason="bad")
            proposals.on_trial_complete(str(place), {"failure": "bad", "loss_per_real": math.inf})
        else:
            ledger.end(given[NUMBER], State.FINISHED, end={"loss_per_real": loss})
            proposals.on_trial_complete(str(place), {"loss_per_real": loss})
            found.append(loss)
    return found


def test_optuna_learns_from_ended_trials_also_from_those_of_an_earlier_driver(tmp_path: Path):
    pytest.importorskip("optuna", reason="the extra of that name")
    sweep = sweep_of(
        tmp_path,
        space={**choices("kernel", "good", "bad"), **SPACE},
        searcher={"type": "optuna", "startup": 10},
        budget={"trials": 60},
    )
    with Ledger(str(tmp_path)) as ledger:
        first = _searched(ledger, sweep, 30)
    with Ledger(str(tmp_path)) as ledger:
        later = _searched(ledger, sweep, 30)
        assert sorted(ledger.trials) == list(range(60))
    # At random between 0.1 and 10 the mean is 1.3.
    assert np.mean(later) < 0.5 * np.mean(first[:8])
    assert len({repr(trial.values) for trial in ledger.trials.values()}) > 55


def test_optuna_takes_several_measures(tmp_path: Path):
    pytest.importorskip("optuna", reason="the extra of that name")
    sweep = sweep_of(
        tmp_path,
        measures={"loss_per_real": "min", "d_points": "max"},
        searcher={"type": "optuna", "startup": 2},
        budget={"trials": 6},
    )
    with Ledger(str(tmp_path)) as ledger:
        proposals = Proposals(sweep, ledger)
        for place in range(6):
            given = proposals.suggest(str(place))
            end = {"loss_per_real": 1.0 + place, "d_points": given["lam.value"]}
            ledger.end(given[NUMBER], State.FINISHED, end=end)
            proposals.on_trial_complete(str(place), dict(end))
        best = proposals._source._study.best_trials
    assert 1 <= len(best) <= 6
    assert best[0].values[1] < 0  # the largest is asked for as the smallest of its negative


def _asked(path: Path, count: int, *names: str) -> SweepConfig:
    pytest.importorskip("optuna", reason="the extra of that name")
    measures = dict.fromkeys(names, "min")
    searcher = {"type": "optuna", "startup": count}
    return sweep_of(path, measures=measures, searcher=searcher, budget={"trials": count})


def _told(proposals: Proposals) -> dict[int, list[float]]:
    """What Optuna knows, by the number of the trial."""
    return {trial.number: trial.values for trial in proposals._source._study.trials}


def test_a_lost_trial_is_as_bad_as_the_worst_that_optuna_knows(tmp_path: Path):
    """Ray Tune tells the searcher first: the ledger still says that the trial runs."""
    sweep = _asked(tmp_path, 3, "loss_per_real")
    with Ledger(str(tmp_path)) as ledger:
        proposals = Proposals(sweep, ledger)
        for number, loss in enumerate((0.01, 0.3, 0.7)):
            proposals.suggest(str(number))
            ledger.start(number)
            ledger.report(number, 5, 1.0, {"loss_per_real": loss})
        proposals.on_trial_complete("0", {"loss_per_real": 0.01}, error=True)
        for number, loss in ((1, 0.3), (2, 0.7)):
            ended = {"loss_per_real": loss, "finished": True}
            proposals.on_trial_complete(str(number), ended)
        assert _told(proposals) == {0: [0.3], 1: [0.3], 2: [0.7]}


def test_a_trial_that_was_ended_early_is_not_on_the_front_of_optuna(tmp_path: Path):
    """Rows of the first steps are no copies yet, and no good ones either."""
    sweep = _asked(tmp_path, 3, "loss_per_real", "gradient_norm")
    with Ledger(str(tmp_path)) as ledger:
        proposals = Proposals(sweep, ledger)
        for number in range(3):
            proposals.suggest(str(number))
            ledger.start(number)
        early = {"loss_per_real": 0.9, "gradient_norm": 0.02}
        proposals.on_trial_complete("0", early)
        whole = {"loss_per_real": 0.01, "gradient_norm": 0.6}
        proposals.on_trial_complete("1", {**whole, "finished": True})
        proposals.on_trial_complete("2", early)
        assert _told(proposals) == {0: [0.9, 0.6], 1: [0.01, 0.6], 2: [0.9, 0.6]}
        assert [trial.number for trial in proposals._source._study.best_trials] == [1]
        for number, state in enumerate((State.STOPPED, State.FINISHED, State.STOPPED)):
            ledger.end(number, state, end=whole if state is State.FINISHED else early)
    with Ledger(str(tmp_path)) as ledger:
        assert [t.number for t in Proposals(sweep, ledger)._source._study.best_trials] == [1]


def test_one_measure_of_a_trial_that_was_ended_early_is_learnt_as_it_is(tmp_path: Path):
    sweep = _asked(tmp_path, 1, "loss_per_real")
    with Ledger(str(tmp_path)) as ledger:
        proposals = Proposals(sweep, ledger)
        proposals.suggest("0")
        ledger.start(0)
        proposals.on_trial_complete("0", {"loss_per_real": 0.4})
        assert _told(proposals) == {0: [0.4]}
