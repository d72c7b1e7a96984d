"""Couplings over several workers of this process: the same numbers on any number of them."""

from typing import Any

import jax
import numpy as np
import pytest

from ganntk import config, distributed
from ganntk.distributed.choice import Costs, exchange_for, strategy_for
from ganntk.distributed.group import LocalGroup, open_group
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.run_folder import RunFolder
from tests.distributed.outcomes import Outcome, outcome

pytestmark = pytest.mark.usefixtures("quick_compile")

DIGITS = ["--kernel", "cnn-small", "--data.size", "12", "--points.count", "10", "--steps", "6"]
EXACT = [*DIGITS, "--report_every", "3", "--precision", "float64"]


class Quiet:
    def phase(self, sentence):
        """Say nothing."""

    def step(self, *numbers):
        """Say nothing."""


def run(folder, *words: str) -> tuple[distributed.RunResult, RunFolder]:
    result = distributed.run(config.load(None, [*words, "--run_uri", str(folder)]), Quiet())
    return result, RunFolder.open(result.run_uri)


def saved(folder: RunFolder) -> np.ndarray:
    images = folder.read_images()
    assert images is not None
    return images.rows


@pytest.mark.parametrize(
    ("solver", "objective"), [("eigh", "squared_error"), ("lanczos", "cross_entropy")]
)
def test_the_exact_coupling_does_not_depend_on_the_number_of_workers(tmp_path, solver, objective):
    words = [*EXACT, "--solver", solver, "--objective.type", objective, "--diagonal", "1e-5"]
    one, folder = run(tmp_path / "1", *words)
    for workers in ("2", "3"):
        other, shared = run(tmp_path / workers, *words, "--cluster.workers", workers)
        assert other.lam == pytest.approx(one.lam, rel=1e-12)
        assert other.loss == pytest.approx(one.loss, rel=1e-9)
        np.testing.assert_allclose(saved(shared), saved(folder), rtol=0, atol=1e-9)
        for field in ("loss", "d_points", "gradient_norm", "eigenvalue_max"):
            wanted = [line[field] for line in folder.read_metrics() if field in line]
            found = [line[field] for line in shared.read_metrics() if field in line]
            assert wanted
            np.testing.assert_allclose(found, wanted, rtol=1e-9)


COUPLINGS = {
    "rows": ["--coupling.exchange", "rows"],
    "vectors": ["--coupling.exchange", "vectors"],
    "independent": ["--coupling.type", "independent", "--coupling.sets", "3"],
    "batchwise": ["--coupling.type", "batchwise", "--coupling.batch", "8", "--coupling.sets", "3"],
    "generator": [
        *["--coupling.type", "generator", "--coupling.batch", "8", "--coupling.batches", "11"],
        *["--coupling.network.channels", "[8, 4]", "--coupling.network.latent", "3"],
    ],
}


def assert_same(found: Outcome, wanted: Outcome, error: float) -> None:
    """Agree in every number to a relative error; 0 is for bits."""

    def compare(ours: Any, theirs: Any) -> None:
        ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=error * np.abs(theirs).max(initial=0))

    # The solver's estimate of its own error is a difference of nearly equal numbers.
    np.testing.assert_allclose(found.report.residual, wanted.report.residual, atol=1e-12)
    for name, ours, theirs in zip(found.report._fields, found.report, wanted.report, strict=True):
        if name != "residual":
            compare(ours, theirs)
    jax.tree.map(compare, found.snapshot, wanted.snapshot)
    for field in ("lam", "loss", "d", "points"):
        compare(getattr(found.finished, field), getattr(wanted.finished, field))


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_no_coupling_depends_on_the_number_of_workers(coupling):
    lanczos = ["--solver", "lanczos"] if coupling == "vectors" else []
    words = [*EXACT, *COUPLINGS[coupling], *lanczos, "--lam.type", "annealed", "--lam.steps", "4"]
    words += ["--noise.type", "annealed", "--noise.scale", "0.1", "--similarity", "0.05"]
    one = outcome(words)
    assert np.ptp(one.report.lam) > 0
    for workers in ("2", "3"):
        other = outcome([*words, "--cluster.workers", workers])
        # The order of a sum depends on the workers where they share one Gram matrix.
        error = 1e-9 if coupling in ("rows", "vectors") else 0
        assert_same(other, one, error)


class Elsewhere(LocalGroup):
    """The last worker is on a node where the same address leads to other rows."""

    def __init__(self, worker: type, given: config.RunConfig, other: config.RunConfig) -> None:
        super().__init__(worker, given)
        self._workers[-1] = worker(other, self.size - 1)


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_workers_that_find_other_rows_are_refused(coupling):
    words = [*EXACT, *COUPLINGS[coupling], "--cluster.workers", "2"]
    given = config.load(None, words)
    chosen = strategy_for(given)
    group = Elsewhere(chosen.worker, given, config.load(None, [*words, "--data.seed", "1"]))
    with pytest.raises(InputError, match=r"worker 1 found other real rows in .* than the first"):
        chosen(group, given).prepare()


def test_vectors_and_rows_give_the_same_lanczos():
    words = [*EXACT, "--solver", "lanczos", "--cluster.workers", "2", "--diagonal", "1e-4"]
    wanted, found = (outcome([*words, *COUPLINGS[name]]) for name in ("rows", "vectors"))
    assert_same(found, wanted, 1e-9)


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_snapshot_goes_on_with_another_number_of_workers(coupling, workers):
    words = [*EXACT, *COUPLINGS[coupling], "--lam", "auto"]
    wanted = outcome([*words, "--cluster.workers", "3"])
    given = config.load(None, [*words, "--cluster.workers", "3"])
    chosen = strategy_for(given)
    strategy = chosen(open_group(chosen.worker, given), given)
    strategy.prepare()
    strategy.advance(0, 3)
    taken = strategy.snapshot()
    fewer = config.load(None, [*words, "--cluster.workers", workers])
    chosen = strategy_for(fewer)
    other = chosen(open_group(chosen.worker, fewer), fewer)
    other.prepare()
    other.restore(taken, ())
    other.advance(3, 3)
    found = jax.tree.leaves(other.snapshot())
    for ours, theirs in zip(found, jax.tree.leaves(wanted.snapshot), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_rows_travel_while_they_are_few_and_vectors_when_they_are_many():
    eight = config.load(None, ["--cluster.workers", "8"])
    cases = {64: "rows", 2048: "rows", 16384: "vectors", 65536: "vectors"}
    for rows, wanted in cases.items():
        chosen, reason = exchange_for(rows, rows, eight)
        assert chosen == wanted, (rows, reason)
    assert "eigh" in exchange_for(64, 64, eight)[1]
    assert "expected" in exchange_for(2048, 2048, eight)[1]
    assert "K has 68.7 GB" in exchange_for(65536, 65536, eight)[1]
    slow = Costs(call_seconds=1.0)
    assert exchange_for(16384, 16384, eight, slow)[0] == "rows"


def test_a_batch_that_nobody_can_make_is_refused(tmp_path):
    generator = ["--coupling.type", "generator", "--coupling.batch"]
    with pytest.raises(InputError, match=r"coupling\.batch is 7: expected an even number"):
        config.load(None, [*generator, "7"])
    with pytest.raises(InputError, match=r"coupling\.batches is 1 for 2 workers"):
        config.load(None, [*generator, "8", "--cluster.workers", "2"])
    with pytest.raises(InputError, match="13 real and 13 generated ones, and there are 12"):
        run(tmp_path / "a", *EXACT, *generator, "26")
    with pytest.raises(InputError, match="only for 28, 32, 64, 128"):
        run(tmp_path / "b", *EXACT, *generator, "8")
    with pytest.raises(InputError, match=r"'vector' .* into one of: auto, rows, vectors"):
        config.load(None, ["--coupling.exchange", "vector"])
    assert not (tmp_path / "a").exists() or not list((tmp_path / "a").iterdir())


def test_the_first_independent_set_is_the_exact_run_and_the_others_differ(tmp_path):
    _, exact = run(tmp_path / "exact", *EXACT)
    words = ["--coupling.type", "independent", "--coupling.sets", "2"]
    _, sets = run(tmp_path / "sets", *EXACT, *words)
    first, second = np.split(saved(sets), 2)
    np.testing.assert_array_equal(first, saved(exact))
    assert np.abs(first - second).mean() > 0.05


def test_more_workers_than_rows_or_sets_are_refused(tmp_path):
    with pytest.raises(InputError, match="10 generated rows for 11 workers"):
        run(tmp_path / "a", *EXACT, "--cluster.workers", "11")
    with pytest.raises(InputError, match=r"coupling\.sets is 2 for 3 workers"):
        config.load(
            None,
            ["--coupling.type", "independent", "--coupling.sets", "2", "--cluster.workers", "3"],
        )


def test_a_non_finite_objective_names_its_step_on_several_workers(tmp_path):
    words = ["--kernel", "fnn", "--data.type", "mixture", "--data.size", "12", "--lam", "1"]
    wild = ["--points.low", "-3e38", "--points.high", "3e38", "--optimizer.learning_rate", "1e30"]
    with pytest.raises(NonFiniteObjectiveError, match=r"step \d+: loss .* at lam 1 with eigen"):
        run(tmp_path / "wild", *words, *wild, "--cluster.workers", "2")
