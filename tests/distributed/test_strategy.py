"""Couplings over several workers of this process: the same numbers on any number of them."""

import numpy as np
import pytest

from ganntk import config, distributed
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.run_folder import RunFolder

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


@pytest.mark.parametrize("solver", ["eigh", "lanczos"])
@pytest.mark.parametrize("objective", ["squared_error", "cross_entropy"])
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
            np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_independent_sets_do_not_depend_on_the_number_of_workers(tmp_path):
    words = [*EXACT, "--coupling.type", "independent", "--coupling.sets", "3"]
    one, folder = run(tmp_path / "1", *words)
    assert one.points == 30
    for workers in ("2", "3"):
        other, shared = run(tmp_path / workers, *words, "--cluster.workers", workers)
        assert other.loss == pytest.approx(one.loss, rel=1e-12)
        np.testing.assert_array_equal(saved(shared), saved(folder))


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
