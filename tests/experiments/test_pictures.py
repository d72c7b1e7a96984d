"""Experiments on images, on the smallest digits: what their tables say is what runs left."""

import pytest

from ganntk import config
from ganntk.errors import InputError
from ganntk.experiments import runs
from ganntk.experiments.generator import GeneratorOverSteps
from ganntk.experiments.neighbours import Neighbours
from ganntk.experiments.resolutions import Resolutions
from ganntk.experiments.scalability import Scalability
from ganntk.experiments.table import QualityTable
from ganntk.metrics import structural
from tests.experiments.test_experiments import Quiet, table

pytestmark = pytest.mark.usefixtures("quick_compile")

WORDS = [
    *["--data.size", "16", "--kernel", "fnn", "--lam", "5", "--optimizer.learning_rate"],
    *["0.1", "--steps", "20", "--report_every", "10", "--sample_every", "20"],
    *["--stopping.type", "never", "--stopping.every", "0", "--stopping.held_out.type", "digits"],
    *["--stopping.held_out.size", "200", "--stopping.held_out.seed", "1"],
]


def given(*words: str) -> config.RunConfig:
    return config.load(None, [*WORDS, *words])


def test_held_out_rows_are_no_rows_of_the_run():
    real = given().data.load().rows
    fresh = runs.held_out_of(given(), "table", real)
    assert 180 < len(fresh) < 200
    assert not {row.tobytes() for row in fresh} & {row.tobytes() for row in real}
    with pytest.raises(InputError, match=r"needs stopping\.held_out"):
        runs.held_out_of(config.load(None, []), "table", real)


def test_resolutions_are_measured_at_the_same_steps_of_whole_runs(tmp_path):
    levels = "[{side: 8}, {side: 4}]"
    run = given("--levels", levels)
    experiment = Resolutions(marks=(10, 20), side=2, dense="fnn-erf")
    found = experiment.measure(run, str(tmp_path), Quiet())
    rows = table(found)
    assert [(row["run"], row["step"]) for row in rows] == [
        *[("one resolution, fnn-erf", 10), ("one resolution, fnn-erf", 20)],
        *[("one resolution", 10), ("one resolution", 20)],
        *[("levels 8/4", 10), ("levels 8/4", 20), ("held-out; training", "")],
    ]
    last = runs.rows_of(str(tmp_path / "runs" / "levels-8-4"))
    real = run.data.load().rows
    assert rows[5]["AM-SSIM"] == structural.compute(structural.between(last, real))
    assert len({row["AM-SSIM"] for row in rows[1:6:2]}) == 3
    with pytest.raises(InputError, match="needs levels"):
        Resolutions().measure(given(), str(tmp_path), Quiet())


def test_neighbours_are_those_of_every_variant(tmp_path):
    variants = {"start": {"steps": 1, "points.count": 12}, "end": {"steps": 60}}
    found = Neighbours(variants, shown=3, nearest=2).measure(given(), str(tmp_path), Quiet())
    rows = {row["rows"]: row for row in table(found)}
    assert list(rows) == ["start", "end", "held-out rows"]
    assert rows["start"]["AM-SSIM"] < rows["held-out rows"]["AM-SSIM"] < rows["end"]["AM-SSIM"]
    assert rows["end"]["memorisation"] > 0.8 > 0.2 > rows["start"]["memorisation"]
    assert len(runs.rows_of(str(tmp_path / "runs" / "start"))) == 12


@pytest.mark.slow
def test_a_table_of_sizes_holds_runs_beside_their_baselines(tmp_path):
    found = QualityTable(sizes=(8,)).measure(given(), str(tmp_path), Quiet())
    rows = table(found)
    assert [row["images"] for row in rows] == 4 * [8]
    assert [row["rows"] for row in rows[:2]] == ["GA-CNTK, 20 steps", "GA-CNTK, novelty stop"]
    assert rows[2]["AM-SSIM"] == pytest.approx(1, abs=1e-6)
    stopped = config.load(str(tmp_path / "runs" / "8-stop" / "config.yaml"), [])
    assert stopped.lam == config.load(None, ["--lam", str(655.36 * 2 / (2 * 16))]).lam
    assert stopped.stopping.every == 4


@pytest.mark.slow
def test_a_generator_is_drawn_from_the_checkpoints_of_its_run(tmp_path):
    words = ["--coupling.type", "generator", "--coupling.batch", "16"]
    words += ["--coupling.network.channels", "[16, 8]", "--coupling.network.dense", "[]"]
    run = given(*words)
    experiment = GeneratorOverSteps(sizes=(12,), every=10, samples=30)
    rows = table(experiment.measure(run, str(tmp_path), Quiet()))
    assert [row["step"] for row in rows] == [10, 20, "the images themselves"]
    assert rows[0]["Fréchet distance"] != rows[1]["Fréchet distance"]
    assert rows[2]["Fréchet distance"] < rows[1]["Fréchet distance"]
    with pytest.raises(InputError, match=r"needs coupling\.type generator"):
        experiment.measure(given(), str(tmp_path), Quiet())


@pytest.mark.slow
def test_exact_steps_are_timed_as_far_as_they_go(tmp_path):
    run = given("--coupling.type", "batchwise", "--coupling.batch", "8")
    found = Scalability(sizes=(8, 16), largest_exact=8).measure(run, str(tmp_path), Quiet())
    first, last = table(found)
    assert first["exact, s / step"] > 0
    assert last["exact, s / step"] == "-"
    assert last["rows of K, exact"] == 32
    assert 0 < last["AM-SSIM"] < 1
    assert len(runs.rows_of(str(tmp_path / "runs" / "whole"))) == 16
    with pytest.raises(InputError, match=r"needs coupling\.type batchwise"):
        Scalability().measure(given(), str(tmp_path), Quiet())
