"""Rules are functions of what was seen: when they stop a run, and what they keep."""

import pytest

from ganntk.data.digits import Digits
from ganntk.errors import InputError
from ganntk.stopping import Check, Never
from ganntk.stopping.rules import HeldOutDistance, Novelty, Plateau, Stopping


def history(name: str, *values: float) -> list[Check]:
    return [Check(10 * i, {name: value}) for i, value in enumerate(values, start=1)]


def until_stopped(rule: Stopping, checks: list[Check]) -> tuple[int, int | None]:
    """Index of the check that is kept, and of the one that stopped the run."""
    for last in range(len(checks)):
        verdict = rule.decide(checks[: last + 1])
        if verdict.reason is not None:
            return verdict.best, last
    return rule.decide(checks).best, None


def test_novelty_keeps_the_last_check_that_is_not_nearer_than_held_out_rows():
    checks = history("memorisation", 0.0, 0.3, 0.5, 0.52, 0.9)
    assert until_stopped(Novelty(), checks) == (2, 3)


def test_novelty_keeps_the_first_check_where_it_comes_too_late():
    assert until_stopped(Novelty(), history("memorisation", 0.8, 0.9)) == (0, 0)
    reason = Novelty().decide(history("memorisation", 0.8)).reason
    assert reason is not None
    assert "already at the first check: take a smaller stopping.every" in reason
    assert "already" not in str(Novelty().decide(history("memorisation", 0.1, 0.8)).reason)


def test_novelty_takes_all_steps_of_a_run_that_does_not_copy():
    assert until_stopped(Novelty(), history("memorisation", 0.1, 0.2, 0.4)) == (2, None)


def test_held_out_distance_keeps_the_smallest_and_waits_some_checks():
    rule = HeldOutDistance(held_out=Digits(), patience=2)
    checks = history("held_out_distance", 9.0, 3.0, 4.0, 2.0, 2.5, 2.4, 1.0)
    assert until_stopped(rule, checks) == (3, 5)


def test_held_out_distance_keeps_the_best_of_a_run_that_ends_first():
    rule = HeldOutDistance(held_out=Digits(), patience=5)
    assert until_stopped(rule, history("held_out_distance", 9.0, 3.0, 4.0)) == (1, None)


def test_plateau_stops_when_the_loss_has_fallen_too_little():
    rule = Plateau(patience=2, least=0.01)
    checks = history("loss_per_real", 0.5, 0.4, 0.3, 0.2999, 0.2998, 0.1)
    assert until_stopped(rule, checks) == (4, 4)


def test_plateau_takes_all_steps_of_a_falling_loss():
    checks = history("loss_per_real", 0.5, 0.4, 0.3, 0.2, 0.1)
    assert until_stopped(Plateau(patience=2), checks) == (4, None)


def test_never_keeps_the_last():
    assert until_stopped(Never(every=5), history("memorisation", 0.9, 1.0)) == (1, None)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Novelty(level=1.0), "stopping.level is 1.0"),
        (lambda: Novelty(every=-1), "stopping.every is -1"),
        (HeldOutDistance, "needs rows to measure it to"),
        (lambda: Plateau(patience=0), "stopping.patience is 0"),
        (lambda: Plateau(least=float("nan")), "stopping.least is nan"),
    ],
)
def test_rules_without_a_meaning_are_refused(make, sentence):
    with pytest.raises(InputError, match=sentence):
        make()
