"""The answer of a sweep from a ledger: best, front, table, importance, page."""

import math
from pathlib import Path

import numpy as np
import pytest

from ganntk import config, storage
from ganntk.lam import Fixed
from ganntk.report import sweep_page
from ganntk.sweeps import outcome, page
from ganntk.sweeps.importance import importance
from ganntk.sweeps.ledger import State, Trial
from tests.sweeps.given import SPACE, choices, sweep_of

TWO = {"loss_per_real": "min", "d_points": "max"}


def _trial(number: int, state: State, *values: float, **more) -> Trial:
    trial = Trial(number, {"lam.value": float(number)}, state, **more)
    trial.end = dict(zip(TWO, values, strict=False))
    trial.reports = {5: {"loss_per_real": 9.0}, 10: dict(trial.end)}
    return trial


def _trials() -> list[Trial]:
    return [
        _trial(0, State.FINISHED, 0.5, 0.9),
        _trial(1, State.FINISHED, 0.3, 0.2),
        _trial(2, State.FINISHED, 0.6, 0.8),  # beaten by 0 in both
        _trial(3, State.STOPPED, 0.1, 0.1),
        _trial(4, State.ERROR, 0.0, 1.0, reason="objective <not finite>"),
        _trial(5, State.FINISHED, math.nan, 0.95),
    ]


def test_the_best_took_all_steps_unless_none_did():
    sweep = sweep_of("s", measures=TWO)
    assert outcome.best_of(_trials(), sweep).number == 1  # type: ignore[union-attr]
    assert outcome.best_of(_trials()[3:], sweep).number == 3  # type: ignore[union-attr]
    assert outcome.best_of(_trials()[4:], sweep) is None


def test_the_front_has_those_that_nobody_beats():
    sweep = sweep_of("s", measures=TWO)
    assert [trial.number for trial in outcome.front_of(_trials(), sweep)] == [1, 0]
    assert outcome.front_of(_trials()[4:], sweep) == []


def test_the_table_has_a_row_for_each_trial(tmp_path: Path):
    sweep = sweep_of(tmp_path, measures=TWO, space={**SPACE, **choices("kernel", "fnn", "rbf")})
    uri = outcome.write_table(sweep, _trials())
    table = storage.read_table(uri).to_pydict()
    assert table["trial"] == list(range(6))
    assert table["lam.value"] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert table["kernel"] == [None] * 6
    assert table["state"][4] == "ERROR"
    assert table["reason"][4] == "objective <not finite>"
    assert table["run_uri"][2] == f"{tmp_path}/trials/00002"


def test_the_best_configuration_is_a_run(tmp_path: Path):
    sweep = sweep_of(tmp_path)
    run = config.load(outcome.write_best(sweep, _trials()[1]))
    assert run.lam == Fixed(1.0)
    assert run.run_uri == "runs/best-{time}"


def test_importance_finds_the_parameter_that_decides():
    random = np.random.default_rng(0)
    trials = [
        {"lam": float(random.uniform()), "kernel": str(random.choice(["a", "b"])), "x": 1.0}
        for _ in range(40)
    ]
    shares = importance(trials, [10 * t["lam"] + (t["kernel"] == "b") for t in trials])
    assert next(iter(shares)) == "lam"
    assert shares["lam"] > 0.8
    assert shares["x"] == 0
    assert sum(shares.values()) == pytest.approx(1)
    assert importance(trials[:7], [1.0] * 7) == {}
    assert importance(trials, [math.inf] * 40) == {}


def test_the_page_says_what_happened_and_asks_for_nothing(tmp_path: Path):
    sweep = sweep_of(tmp_path, measures=TWO)
    text = Path(page.write(sweep, _trials())).read_text(encoding="utf-8")
    assert "objective &lt;not finite&gt;" in text
    assert "2 trials" not in text
    assert "6 trials" in text
    assert "The front" in text
    assert "Learning curves" in text
    assert text.count("<tr") == 6 + 1
    for outside in ("http://", "https://", 'src="/', "@import"):
        assert outside not in text.replace("http://www.w3.org/", "")


def test_steps_are_saved_by_a_scheduler_and_not_by_failing_or_waiting(tmp_path: Path):
    """Of four trials with 20 steps each, three took 20 and one was ended at 10."""
    trials = [
        *(_trial(number, State.FINISHED, 0.5, 0.5) for number in range(3)),
        _trial(3, State.STOPPED, 0.6, 0.1),
        _trial(4, State.ERROR, reason="no kernel"),
        Trial(5, {"lam.value": 1.0}, State.PENDING),
    ]
    for trial in trials[:3]:
        trial.reports[20] = {"loss_per_real": 0.5}
    text = sweep_page.render(page.view_of(sweep_of(tmp_path, measures=TWO), trials))
    assert "<dt>steps saved</dt><dd>12 %</dd>" in text  # 10 of 80


def test_a_sweep_without_any_value_has_a_page(tmp_path: Path):
    sweep = sweep_of(tmp_path)
    failed = [_trial(4, State.ERROR, reason="bad")]
    failed[0].reports, failed[0].end = {}, {}
    text = Path(page.write(sweep, failed)).read_text(encoding="utf-8")
    assert "bad" in text
    assert "Learning curves" not in text
