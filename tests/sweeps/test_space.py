"""The space of a sweep: streams of random numbers, conditions, grids."""

import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.sweeps import space as spaces
from ganntk.sweeps.space import Choice, LogUniform, Uniform

KERNEL = Choice(among=["fnn", {"type": "rbf"}])
SPACE = {
    "kernel": KERNEL,
    "kernel.length_scale": Uniform(low=1, high=3, steps=3, when={"kernel": [{"type": "rbf"}]}),
    "lam.value": LogUniform(low=0.1, high=10, steps=3),
}


def test_a_trial_is_the_same_whatever_else_is_searched():
    one = [spaces.draw(SPACE, seed=0, number=n) for n in range(20)]
    alone = [spaces.draw({"lam.value": SPACE["lam.value"]}, seed=0, number=n) for n in range(20)]
    assert [each["lam.value"] for each in one] == [each["lam.value"] for each in alone]
    assert len({each["lam.value"] for each in one}) == 20
    assert spaces.draw(SPACE, seed=1, number=0) != one[0]


def test_a_parameter_with_a_condition_is_there_when_it_holds():
    drawn = [spaces.draw(SPACE, seed=0, number=n) for n in range(40)]
    assert {"kernel.length_scale" in each for each in drawn} == {True, False}
    for each in drawn:
        assert ("kernel.length_scale" in each) == (each["kernel"] == {"type": "rbf"})


def test_draws_fill_their_intervals_evenly_on_their_scale():
    drawn = [spaces.draw(SPACE, seed=3, number=n)["lam.value"] for n in range(2000)]
    assert 0.1 <= min(drawn) < 0.11
    assert 9.1 < max(drawn) <= 10
    # Of 2000 logarithms half are below the middle, to four standard deviations.
    assert np.mean(np.asarray(drawn) < 1) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2000))


def test_a_grid_has_every_combination_once():
    found = spaces.grid(SPACE)
    # fnn with 3 values of lam, rbf with 3 widths and 3 values of lam.
    assert len(found) == 3 + 9
    assert found[0] == {"kernel": "fnn", "lam.value": pytest.approx(0.1)}
    assert sorted({each["lam.value"] for each in found}) == pytest.approx([0.1, 1, 10])


def test_a_grid_refuses_an_interval_without_steps():
    with pytest.raises(InputError, match=r"space\.lam is an interval.*give it steps"):
        spaces.grid({"lam": Uniform(low=0, high=1)})


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Choice(), "no values"),
        (lambda: Uniform(low=2, high=1), "from 2 to 1"),
        (lambda: Uniform(low=0), "from 0 to nan"),
        (lambda: LogUniform(low=0, high=1), "more than 0"),
        (lambda: Uniform(low=0, high=1, steps=1), "at least 2"),
    ],
)
def test_a_parameter_that_cannot_be_drawn_is_refused(make, said: str):
    with pytest.raises(InputError, match=said):
        make()


def test_a_condition_on_a_later_key_is_refused():
    with pytest.raises(InputError, match="depends on kernel, which is not in the space before it"):
        spaces.check({"lam": Uniform(low=0, high=1, when={"kernel": ["fnn"]}), "kernel": KERNEL})
    with pytest.raises(InputError, match="space is empty"):
        spaces.check({})


def test_optuna_draws_within_the_space():
    optuna = pytest.importorskip("optuna", reason="the extra of that name")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = [spaces.suggest(SPACE, study.ask()) for _ in range(30)]
    assert {repr(each["kernel"]) for each in found} == {"'fnn'", "{'type': 'rbf'}"}
    assert all(0.1 <= each["lam.value"] <= 10 for each in found)
    assert all(("kernel.length_scale" in e) == (e["kernel"] == {"type": "rbf"}) for e in found)
