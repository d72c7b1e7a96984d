"""Experiments of the paper, small: tables that say what was measured, figures, plans that load."""

import dataclasses
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganntk import experiments, storage
from ganntk.cli import main
from ganntk.data import Mixture
from ganntk.errors import InputError
from ganntk.experiments.modes import ModeCoverage
from ganntk.experiments.rate import ConvergenceRate
from ganntk.lam import Fixed
from ganntk.run_folder import RunFolder
from tests.structure.sources import ROOT

pytestmark = pytest.mark.usefixtures("quick_compile")

PLANS = sorted(path.stem for path in (ROOT / "configs" / "paper").glob("*.yaml"))


class Quiet:
    def phase(self, sentence):
        """Say nothing."""

    def step(self, *numbers):
        """Say nothing."""


def plan(name: str, *words: str) -> experiments.Plan:
    return experiments.load(str(ROOT / "configs" / "paper" / f"{name}.yaml"), "small", words)


def table(found: experiments.Findings) -> list[dict]:
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("scale", ["small", "full"])
def test_every_shipped_plan_loads_and_says_what_is_published(name, scale):
    found = experiments.load(str(ROOT / "configs" / "paper" / f"{name}.yaml"), scale)
    assert len(found.published) > 50
    assert found.run.steps >= 100


def test_a_scale_is_laid_over_the_common_run_and_options_over_both():
    path = str(ROOT / "configs" / "paper" / "modes25.yaml")
    small, full = (experiments.load(path, scale, ["--seed", "4"]) for scale in ("small", "full"))
    assert isinstance(full.run.data, Mixture)
    assert (full.run.data.size, full.run.data.modes, full.run.seed) == (512, 25, 4)
    assert full.run.kernel == small.run.kernel
    assert full.experiment == ModeCoverage(seeds=(0, 1, 2, 3, 4))


def test_modes_are_counted_beside_data_noise_and_a_fresh_sample(tmp_path):
    given = plan("modes8", "--data.size", "24", "--steps", "30").run
    found = ModeCoverage(seeds=(0, 5)).measure(given, str(tmp_path), Quiet())
    rows = {row["set"]: row for row in table(found)}
    assert list(rows) == ["data", "fresh sample", "uniform noise", "seed 0", "seed 5"]
    assert rows["data"]["half W2^2 to data"] == 0
    assert rows["fresh sample"]["half W2^2 to fresh"] == 0
    assert rows["data"]["within 3 std"] > 0.9 > rows["uniform noise"]["within 3 std"]
    assert rows["seed 0"]["half W2^2 to data"] < rows["uniform noise"]["half W2^2 to data"]
    assert rows["seed 0"] != rows["seed 5"]
    assert RunFolder.open(str(tmp_path / "runs" / "seed-5")).read_result()


@pytest.mark.slow
def test_the_rate_is_of_every_step(tmp_path):
    given = plan("rate", "--data.size", "8", "--steps", "20").run
    found = ConvergenceRate((0.01, 0.02), marks=(5, 20, 99)).measure(given, str(tmp_path), Quiet())
    rows = table(found)
    assert [(row["step size"], row["steps s"]) for row in rows] == [
        (size, mark) for size in (0.01, 0.02) for mark in (5, 20)
    ]
    for row in rows:
        run = RunFolder.open(str(tmp_path / "runs" / f"step-{row['step size']:g}"))
        norms = [line["gradient_norm"] for line in run.read_metrics() if "gradient_norm" in line]
        assert len(norms) == 20
        least = min(norms[: row["steps s"]]) ** 2
        assert row["s times it"] == pytest.approx(row["steps s"] * least)
        assert row["loss rises"] == 0
    with pytest.raises(InputError, match="report_every 1"):
        ConvergenceRate().measure(dataclasses.replace(given, report_every=2), "nowhere", Quiet())


def test_the_command_leaves_a_table_beside_the_published_one_and_a_figure(capsys, tmp_path):
    to = str(tmp_path / "curve")
    words = ["--data.size", "16", "--steps", "40", "--kernel", "cnn-small"]
    assert main(["experiment", str(_plan("curve")), "--to", to, *words]) == 0
    out = capsys.readouterr().out
    said = json.loads(out.splitlines()[-1])
    text = storage.read_text(said["table"])
    assert "Published:\n\nPictures for MNIST" in text
    assert text in out
    numbers = json.loads(storage.read_text(f"{to}/table.json"))
    assert [row["step"] for row in numbers] == [20, 40]
    assert numbers[1]["loss per real row"] < numbers[0]["loss per real row"]
    assert 0 < numbers[1]["AM-SSIM"] < 1
    picture = np.asarray(Image.open(io.BytesIO(storage.read_bytes(said["figure"]))))
    assert picture.shape[1] > 1000
    assert np.std(picture) > 10
    assert main(["experiment", str(_plan("curve")), "--to", to]) == 2
    assert "already holds an experiment" in capsys.readouterr().err


def test_an_experiment_that_was_cut_off_goes_on_with_the_runs_that_ended(tmp_path):
    given = plan("modes8", "--data.size", "12", "--steps", "20").run
    ModeCoverage(seeds=(0,)).measure(given, str(tmp_path), Quiet())
    one = storage.read_text(f"{tmp_path}/runs/seed-0/result.json")
    found = ModeCoverage(seeds=(0, 1)).measure(given, str(tmp_path), Quiet())
    assert [row["set"] for row in table(found)][-2:] == ["seed 0", "seed 1"]
    assert storage.read_text(f"{tmp_path}/runs/seed-0/result.json") == one
    other = dataclasses.replace(given, seed=9)
    with pytest.raises(InputError):
        ModeCoverage(seeds=(0,)).measure(
            dataclasses.replace(other, lam=Fixed(2.0)), str(tmp_path), Quiet()
        )


@pytest.mark.parametrize(
    ("name", "words"),
    [(name, []) for name in PLANS if name not in ("generator", "resolutions", "scalability")]
    + [("generator", ["--coupling.batches", "8"]), ("scalability", ["--coupling.sets", "8"])],
)
def test_a_plan_takes_eight_workers_as_the_documentation_says(name, words):
    found = experiments.load(str(_plan(name)), "full", ["--cluster.workers", "8", *words])
    assert found.run.cluster.workers == 8


def _plan(name: str) -> Path:
    return ROOT / "configs" / "paper" / f"{name}.yaml"


def test_a_plan_with_a_mistake_gets_a_sentence(tmp_path):
    path = tmp_path / "plan.yaml"
    good = "title: t\npublished: p\nexperiment: {type: modes}\nscales: {small: }\n"
    for text, sentence in [
        ("title: t\n", "no plan of an experiment"),
        (good + "runs: {}\n", "unknown key 'runs': did you mean run"),
        (good.replace("modes", "mods"), "unknown experiment 'mods'"),
        (good.replace("type: modes", "type: modes, seed: 1"), "unknown key 'experiment.seed'"),
        (good.replace("small: ", "small: {runs: 1}"), "unknown key 'scales.small.runs'"),
        (good.replace("small", "large"), "unknown scale 'small'"),
    ]:
        path.write_text(text)
        with pytest.raises(InputError, match=sentence):
            experiments.load(str(path), "small")
