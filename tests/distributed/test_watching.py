"""Runs that are watched: they stop, keep the right rows, and say so."""

import json

import numpy as np
import pytest

from ganntk import config as configuration
from ganntk import storage
from ganntk.cli.progress import Lines
from ganntk.distributed import resume, run
from ganntk.run_folder import RunFolder

MAPPING = {
    "kernel": "cnn-small",
    "data": {"type": "digits", "size": 24},
    "lam": {"type": "fixed", "value": 5.12},
    "optimizer": {"learning_rate": 0.1},
    "steps": 200,
    "report_every": 10,
    "sample_every": 100,
}


def config(uri: str, **changes) -> configuration.RunConfig:
    raw = {**MAPPING, "run_uri": uri, **changes}
    raw["kernel"] = {"type": "named", "name": raw["kernel"]}
    return configuration.decode(raw)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> RunFolder:
    uri = str(tmp_path_factory.mktemp("runs") / "novelty")
    run(config(uri, stopping={"type": "novelty", "every": 5}), Lines())
    return RunFolder.open(uri)


def scores(folder: RunFolder) -> dict[int, float]:
    return {r["step"]: r["memorisation"] for r in folder.read_metrics() if "memorisation" in r}


def test_a_run_stops_when_its_rows_come_nearer_than_real_ones(stopped):
    result = stopped.read_result()
    ending, seen = result["stopping"], scores(stopped)
    assert ending["last_step"] == max(seen) < 200
    assert seen[ending["last_step"]] > 0.5
    assert ending["kept_step"] == ending["last_step"] - 5
    assert seen[ending["kept_step"]] <= 0.5
    assert "memorisation score rose" in ending["reason"]
    assert result["steps"] == ending["kept_step"]


def test_the_rows_that_are_kept_are_those_of_a_run_of_so_many_steps(stopped, tmp_path):
    kept = stopped.read_result()["stopping"]["kept_step"]
    uri = str(tmp_path / "plain")
    run(config(uri, steps=kept), Lines())
    plain = RunFolder.open(uri).read_images()
    saved = stopped.read_images()
    np.testing.assert_array_equal(saved.rows, plain.rows)
    np.testing.assert_allclose(saved.d, plain.d, rtol=1e-6)
    assert set(saved.step) == {kept}


def test_the_picture_of_the_step_that_is_kept_is_there(stopped):
    assert stopped.read_result()["stopping"]["kept_step"] in stopped.sample_uris()


def test_a_stopped_run_can_go_on_without_its_rule(stopped, tmp_path):
    uri = str(tmp_path / "again")
    run(config(uri, steps=100, stopping={"type": "novelty", "every": 5}), Lines())
    first = RunFolder.open(uri).read_result()["stopping"]["last_step"]
    again = resume(config(uri, steps=first + 10, stopping={"type": "never"}), Lines())
    assert again.steps == first + 10


@pytest.mark.parametrize(
    "coupled",
    [{"type": "batchwise"}, {"type": "generator", "network": {"type": "dense"}}],
    ids=lambda coupled: coupled["type"],
)
def test_other_couplings_are_watched_too(coupled, tmp_path):
    uri = str(tmp_path / "run")
    watched = {"type": "never", "every": 2, "held_out": {"type": "digits", "seed": 5, "size": 60}}
    made = config(uri, steps=4, coupling={**coupled, "batch": 16}, stopping=watched)
    run(made, Lines())
    seen = [r for r in RunFolder.open(uri).read_metrics() if "memorisation" in r]
    assert [record["step"] for record in seen] == [2, 4]
    assert all(np.isfinite(r["held_out_distance"]) and 0 <= r["am_ssim"] <= 1 for r in seen)


def test_the_step_nearest_to_held_out_rows_is_kept(tmp_path):
    uri = str(tmp_path / "run")
    rule = {"type": "held_out_distance", "every": 5, "held_out": {"type": "digits", "seed": 5}}
    run(config(uri, steps=40, stopping=rule), Lines())
    folder = RunFolder.open(uri)
    seen = {
        r["step"]: r["held_out_distance"] for r in folder.read_metrics() if "held_out_distance" in r
    }
    assert folder.read_result()["stopping"]["kept_step"] == min(seen, key=seen.__getitem__)


def test_a_run_that_is_not_watched_says_nothing_of_it(tmp_path):
    uri = str(tmp_path / "run")
    run(config(uri, steps=2), Lines())
    assert "stopping" not in json.loads(storage.read_text(f"{uri}/result.json"))


def test_a_configuration_with_held_out_rows_reads_back(tmp_path):
    made = config("x", stopping={"type": "novelty", "held_out": {"type": "digits", "size": 30}})
    storage.write_text(str(tmp_path / "config.yaml"), configuration.dump(made))
    assert configuration.load(str(tmp_path / "config.yaml")) == made


def test_the_rule_does_not_decide_what_a_step_gives(tmp_path):
    plain, watched = config("x"), config("x", stopping={"type": "novelty"})
    assert configuration.fingerprint(plain) == configuration.fingerprint(watched)


HELD_OUT = {"type": "digits", "size": 24, "seed": 1}


def _d_held_out(uri: str, **changes) -> list[float]:
    stopping = {"type": "never", "every": 10, "held_out": HELD_OUT}
    run(config(uri, kernel="fnn", steps=20, stopping=stopping, **changes), Lines())
    return [r["d_held_out"] for r in RunFolder.open(uri).read_metrics() if "d_held_out" in r]


def test_d_on_held_out_rows_is_recorded_whatever_the_number_of_workers(tmp_path):
    one = _d_held_out(str(tmp_path / "one"))
    assert len(one) == 2
    assert all(0 < d < 1 for d in one)
    coupling = {"type": "exact", "exchange": "rows"}
    two = _d_held_out(str(tmp_path / "two"), cluster={"workers": 2}, coupling=coupling)
    np.testing.assert_allclose(two, one, rtol=1e-5)


def test_d_on_held_out_rows_is_not_recorded_where_no_worker_has_the_gram_matrix(tmp_path):
    coupling = {"type": "exact", "exchange": "vectors"}
    assert _d_held_out(str(tmp_path / "v"), cluster={"workers": 2}, coupling=coupling) == []
    assert _d_held_out(str(tmp_path / "b"), coupling={"type": "batchwise", "batch": 16}) == []


class Interrupting(Lines):
    """Ends a run at a step, as Ctrl-C does."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self._at = at

    def step(self, step, *rest):
        if step >= self._at:
            raise KeyboardInterrupt


RULES = {
    "novelty": {"type": "novelty", "every": 5},
    "plateau": {"type": "plateau", "every": 5, "patience": 3, "least": 0.9},
    "held_out_distance": {
        **{"type": "held_out_distance", "every": 2, "patience": 12},
        "held_out": {"type": "digits", "seed": 5, "size": 40},
    },
}


@pytest.mark.parametrize(
    ("rule", "workers"),
    [("novelty", 1), ("novelty", 2), ("plateau", 1), ("held_out_distance", 1)],
)
def test_a_watched_run_that_was_resumed_decides_as_one_that_was_not(rule, workers, tmp_path):
    given = {"precision": "float64", "stopping": RULES[rule], "report_every": 1}
    whole, cut = str(tmp_path / "whole"), str(tmp_path / "cut")
    run(config(whole, **given), Lines())
    expected = RunFolder.open(whole).read_result()["stopping"]
    # After the check whose rows are kept, before the one that stops the run.
    at = expected["last_step"] - 1
    assert rule == "plateau" or expected["kept_step"] < at
    with pytest.raises(KeyboardInterrupt):
        run(config(cut, **given), Interrupting(at))
    resume(config(cut, **given, cluster={"workers": workers}), Lines())
    assert RunFolder.open(cut).read_result()["stopping"] == expected
    ours, theirs = (RunFolder.open(uri).read_images() for uri in (cut, whole))
    if workers == 1:
        np.testing.assert_array_equal(ours.rows, theirs.rows)
        assert scores(RunFolder.open(cut)) == scores(RunFolder.open(whole))
    else:
        np.testing.assert_allclose(ours.rows, theirs.rows, atol=1e-6)
