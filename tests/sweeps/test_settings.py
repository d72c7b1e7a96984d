"""What a sweep may ask for, and how it is read."""

from pathlib import Path

import pytest

from ganntk import config
from ganntk.errors import InputError
from ganntk.kernels import Named
from ganntk.lam import Fixed
from ganntk.sweeps import settings
from ganntk.sweeps import space as spaces
from ganntk.sweeps.settings import Asha, Budget, Grid
from tests.structure.sources import ROOT
from tests.sweeps.given import SPACE, choices, reload, sweep_of


def test_a_sweep_is_read_back_as_it_was():
    sweep = sweep_of(
        "s3://b/s",
        space={**choices("kernel", "fnn", {"type": "rbf"}), **SPACE},
        scheduler={"type": "asha", "grace": 5},
        budget={"trials": 3, "seconds": 60},
    )
    assert reload(sweep) == sweep
    assert sweep.scheduler == Asha(grace=5)
    assert sweep.budget == Budget(trials=3, seconds=60)


def test_a_file_changes_its_base_and_options_change_both(tmp_path: Path):
    base, file = tmp_path / "base.yaml", tmp_path / "sweep.yaml"
    base.write_text("data: {type: digits, size: 12}\nlam: auto\nsteps: 7\n", encoding="utf-8")
    file.write_text(
        f"base: {base}\nrun: {{lam: 3, kernel: fnn}}\n"
        "space: {lam.value: {type: uniform, low: 1, high: 2}}\n",
        encoding="utf-8",
    )
    sweep = settings.load(str(file), ["--run.steps", "9", "--budget.trials", "2"])
    assert (sweep.run.lam, sweep.run.steps, sweep.run.data.size) == (Fixed(3.0), 9, 12)  # type: ignore[attr-defined]
    assert sweep.budget.trials == 2


def test_the_run_of_a_trial_lies_below_the_sweep_and_has_its_values():
    sweep = sweep_of("s3://b/s", run={"lam": "auto", "cluster": {"address": "auto"}})
    run = settings.run_of(sweep, 7, {"kernel": "cnn-small", "lam.value": 2.5})
    assert run.run_uri == "s3://b/s/trials/00007"
    assert (run.kernel, run.lam) == (Named("cnn-small"), Fixed(2.5))
    # One worker is the trial's own process; several are found on the cluster that it is in.
    assert run.cluster.address == "none"
    assert settings.run_of(sweep, 7, {"cluster.workers": 2}).cluster.address == "auto"


def test_the_best_run_alone_is_the_same_run_elsewhere():
    sweep = sweep_of("s3://b/s", run={"cluster": {"address": "auto"}})
    alone, trial = (
        settings.alone(sweep, {"lam.value": 2}),
        settings.run_of(sweep, 0, {"lam.value": 2}),
    )
    assert config.fingerprint(alone) == config.fingerprint(trial)
    assert (alone.run_uri, alone.cluster.address) == ("runs/best-{time}", "auto")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"measures": {}}, "measures is empty"),
        ({"measures": {"loss_per_real": "least"}}, "expected min or max"),
        ({"measures": {"los_per_real": "min"}}, "did you mean loss_per_real"),
        ({"measures": {"device_memory_bytes": "min"}}, "unknown measure"),
        ({"measures": {"memorisation": "min"}}, r"set run\.stopping\.every"),
        (
            {
                "measures": {"held_out_distance": "min"},
                "run": {"stopping": {"type": "never", "every": 5}},
            },
            r"name the rows as run\.stopping\.held_out",
        ),
        ({"measures": {"quality.frechet": "min"}}, "has no reference"),
        ({"measures": {"quality.fretchet": "min"}}, "did you mean quality.frechet"),
        ({"scheduler": {"type": "asha", "grace": 100}}, r"above run\.steps, 20"),
        (
            {
                "measures": {"quality.frechet": "min"},
                "evaluation": {"reference": {"type": "digits"}},
                "scheduler": {"type": "median"},
            },
            "a scheduler needs a measure while it runs",
        ),
        ({"budget": {"trials": 0}}, "no end of its own"),
        ({"budget": {"gpu_hours": -1}}, r"budget\.gpu_hours is -1"),
        ({"searcher": {"type": "grid"}}, "give it steps"),
        ({"scheduler": {"type": "pbt"}, "searcher": {"type": "optuna"}}, "needs searcher random"),
        (
            {"scheduler": {"type": "pbt"}, "space": choices("kernel", "fnn", "cnn-small")},
            "kernel would not fit it",
        ),
        ({"space": {}}, "space is empty"),
        ({"failures": -1}, "failures is -1"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(changes, said: str):
    with pytest.raises(InputError, match=said):
        sweep_of("s", **changes)


def test_an_unknown_key_is_refused_by_its_nearest_name(tmp_path: Path):
    file = tmp_path / "sweep.yaml"
    file.write_text("space: {lam.value: {type: uniform, low: 1, high: 2}}\nschedular: {}\n")
    with pytest.raises(InputError, match="did you mean scheduler"):
        settings.load(str(file))


def test_a_resumed_sweep_may_have_another_budget_and_nothing_else():
    sweep = sweep_of("s", searcher={"type": "grid"}, space=choices("lam.value", 1, 2))
    more = settings.changed(sweep, ["--budget.trials", "30", "--run.cluster.workers", "2"])
    assert (more.budget.trials, more.run.cluster.workers, more.searcher) == (30, 2, Grid())
    with pytest.raises(InputError, match=r"--run\.steps would make another sweep"):
        settings.changed(sweep, ["--run.steps", "30"])


def test_the_example_of_the_documentation_is_a_sweep(tmp_path: Path, monkeypatch):
    text = (ROOT / "docs/how-to/tune.md").read_text(encoding="utf-8")
    file = tmp_path / "sweep.yaml"
    file.write_text(text.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    monkeypatch.chdir(ROOT)
    sweep = settings.load(str(file))
    drawn = [spaces.draw(sweep.space, seed=0, number=number) for number in range(20)]
    assert any("kernel.length_scale" in values for values in drawn)
    for values in drawn:
        settings.run_of(sweep, 0, values)


@pytest.mark.parametrize("path", sorted((ROOT / "configs/sweeps").glob("*.yaml")), ids=str)
def test_a_configuration_that_comes_with_the_program_is_a_sweep(path: Path, monkeypatch):
    monkeypatch.chdir(ROOT)
    is_mnist = path.stem in ("mnist", "paper_grid")
    sweep = settings.load(str(path), ["--run.data.uri", "rows"] if is_mnist else [])
    assert sweep.sweep_uri.endswith("{time}")
    for number in range(8):
        values = spaces.draw(sweep.space, seed=0, number=number)
        assert settings.run_of(sweep, number, values).checkpoints.every > 0
