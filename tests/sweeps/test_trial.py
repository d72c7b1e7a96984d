"""A trial begins, goes on, or finds itself at its end; without a Ray."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="trials report to Ray Tune")

from ganntk import config, distributed, synthesis
from ganntk.checkpoint import store
from ganntk.distributed import Company
from ganntk.distributed.shared import Shared
from ganntk.distributed.worker import Worker
from ganntk.run_folder import RunFolder
from ganntk.sweeps import settings
from ganntk.sweeps.ledger import Ledger, read
from ganntk.sweeps.population import adopt
from ganntk.sweeps.searching import population
from ganntk.sweeps.trial import (
    DRIVER_CPUS,
    Quiet,
    Surroundings,
    go_on,
    last_values,
    resources,
    share_gpu,
    worker_bundle,
)
from ganntk.sweeps.tuner import Spent
from ganntk.telemetry import MemorySink, Record
from tests.sweeps.given import SPACE, choices, sweep_of


class Interrupting(MemorySink):
    """Ends a run at a step, as Ray Tune ends a trial."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def write(self, record: Record) -> None:
        super().write(record)
        if record.step == self.step:
            raise SystemExit


class Counting(Shared):
    """Keeps what is made."""

    def __init__(self) -> None:
        self.values: dict = {}
        self.found = 0

    def value(self, key, make):
        self.found += key in self.values
        if key not in self.values:
            self.values[key] = make()
        return self.values[key]


def _points(uri: str) -> np.ndarray:
    saved = RunFolder(uri).read_images()
    assert saved is not None
    return saved.rows


def test_a_trial_that_was_ended_goes_on_to_the_same_rows(tmp_path: Path):
    sweep = sweep_of(tmp_path)
    whole, cut = (settings.run_of(sweep, number, {"lam.value": 2.0}) for number in (0, 1))
    go_on(whole, Company())
    with pytest.raises(SystemExit):
        go_on(cut, Company([Interrupting(15)]))
    assert RunFolder(cut.run_uri).read_result() is None
    again = MemorySink()
    result = go_on(cut, Company([again]))
    assert min(record.step for record in again.records) > 5
    np.testing.assert_array_equal(_points(cut.run_uri), _points(whole.run_uri))
    # At its end it is asked once more, when the driver was killed before it was told.
    silent = MemorySink()
    assert go_on(cut, Company([silent])) == result
    assert silent.records == []


def test_a_trial_without_a_checkpoint_begins_anew(tmp_path: Path):
    run = settings.run_of(sweep_of(tmp_path), 0, {})
    RunFolder.create(run.run_uri, config.dump(run))
    assert go_on(run, Company())["steps"] == 20


def test_trials_of_two_lams_share_all_that_no_lam_decides(tmp_path: Path):
    sweep, shared = sweep_of(tmp_path), Counting()
    for number, error in enumerate((1e-3, 1e-2)):
        run = settings.run_of(sweep, number, {"lam": {"type": "searched", "error": error}})
        go_on(run, Company(shared=shared))
        alone = config.with_values(run, {"run_uri": str(tmp_path / f"alone{number}")})
        distributed.run(alone, Quiet())
        np.testing.assert_array_equal(_points(run.run_uri), _points(alone.run_uri))
    assert sorted(key.split("-")[0] for key in shared.values) == ["data", "gram", "start0"]
    assert shared.found == 3
    searched = {"lam": {"type": "searched"}, "kernel": {"type": "rbf"}}
    go_on(settings.run_of(sweep, 2, searched), Company(shared=shared))
    assert len(shared.values) == 5  # the same rows, another K(X, X), another start


def test_sixteen_lams_look_at_the_kernel_as_often_as_one(tmp_path: Path, monkeypatch):
    """K(X, X) and the spectrum of the first points: once, where runs alone compute 16 of each."""
    calls: Counter[str] = Counter()

    def counted(name: str) -> None:
        original = getattr(synthesis, name)

        def call(*args, **options):
            calls[name] += 1
            return original(*args, **options)

        monkeypatch.setattr(synthesis, name, call)

    counted("gram_of_real")
    counted("first_spectrum")
    sweep = sweep_of(tmp_path)

    def started(shared: Shared, rules: list[dict]) -> list[float]:
        runs = [settings.run_of(sweep, number, {"lam": r}) for number, r in enumerate(rules)]
        return [Worker(run, shared=shared).prepare().lam for run in runs]

    errors = [{"type": "searched", "error": float(each)} for each in np.geomspace(1e-3, 1e-1, 16)]
    together = started(Counting(), errors)
    assert len(set(together)) == 16
    assert calls == {"gram_of_real": 1, "first_spectrum": 1}
    calls.clear()
    assert started(Shared(), errors) == together
    assert calls == {"gram_of_real": 16, "first_spectrum": 16}
    # One that is given looks at no spectrum.
    calls.clear()
    lams = np.geomspace(0.1, 10, 16)
    fixed = [{"type": "fixed", "value": float(lam)} for lam in lams]
    assert started(Counting(), fixed) == pytest.approx(lams)
    assert calls == {"gram_of_real": 1}


def test_the_last_values_are_those_of_the_step_that_is_kept(tmp_path: Path):
    run = settings.run_of(sweep_of(tmp_path), 0, {})
    result: Mapping = go_on(run, Company())
    values = last_values(run, result)
    assert values["loss_per_real"] == result["loss_per_real"]
    assert values["lam"] == 1.0
    assert "gradient_norm" in values
    assert "step" not in values


def test_a_trial_that_adopts_a_state_goes_on_with_its_own_lam(tmp_path: Path):
    sweep = sweep_of(tmp_path)
    donor, other = (settings.run_of(sweep, n, {"lam.value": v}) for n, v in ((0, 1.0), (1, 3.0)))
    with pytest.raises(SystemExit):
        go_on(donor, Company([Interrupting(15)]))
    go_on(other, Company())
    adopt(donor.run_uri, other)
    latest = store.latest(donor.run_uri)
    assert latest is not None
    seen = MemorySink()
    result = go_on(other, Company([seen]))
    steps = [record.step for record in seen.records if "loss" in record.values]
    assert steps[0] == latest.step + 5
    assert {record.values["lam"] for record in seen.records if "lam" in record.values} == {3.0}
    assert (result["lam"], result["steps"]) == (3.0, 20)


def test_a_trial_whose_driver_was_killed_after_it_adopted_goes_on_with_its_new_values(
    tmp_path: Path,
):
    sweep = sweep_of(tmp_path, scheduler={"type": "pbt", "interval": 5}, budget={"trials": 2})
    with Ledger(str(tmp_path)) as ledger:
        donor, other = (
            settings.run_of(sweep, trial.number, trial.values)
            for trial in population(sweep, ledger)
        )
        for run in (donor, other):
            with pytest.raises(SystemExit):
                go_on(run, Company([Interrupting(15)]))
        adopt(donor.run_uri, config.with_values(other, {"lam.value": 3.0}))
    trials = {}
    for _ in range(2):  # a driver that knows nothing of it, and one after that
        with Ledger(str(tmp_path)) as ledger:
            trials = {trial.number: trial for trial in population(sweep, ledger)}
            before = settings.run_of(sweep, 0, trials[0].values)
            assert config.differences(before, donor) == []
            assert trials[1].values == {"lam.value": 3.0}
        assert read(str(tmp_path))[1].values == {"lam.value": 3.0}
    result = go_on(settings.run_of(sweep, 1, trials[1].values), Company())
    assert (result["lam"], result["steps"]) == (3.0, 20)


def test_the_values_of_a_folder_are_told_in_the_words_of_the_space(tmp_path: Path):
    """The ledger may be ahead of the folder too: the line is written before a trial adopts."""
    losses = [{"type": "squared_error"}, {"type": "cross_entropy"}]
    space = {**choices("objective", *losses), **SPACE}
    sweep = sweep_of(tmp_path, space=space, scheduler={"type": "pbt"}, budget={"trials": 2})
    values = {"objective": losses[1], "lam.value": 2.0}
    run = settings.run_of(sweep, 0, values)
    RunFolder.create(run.run_uri, config.dump(run))
    with Ledger(str(tmp_path)) as ledger:
        ledger.propose({"objective": losses[0], "lam.value": 2.4})
        assert next(population(sweep, ledger)).values == values


def test_the_bundles_of_a_trial(tmp_path: Path):
    sweep = sweep_of(tmp_path, run={"cluster": {"gpus_per_worker": 0.5, "cpus_per_worker": 2}})
    given = Surroundings(sweep, None, {"CPU": 2, "GPU": 0.5})
    worker = {"CPU": 2.0, "GPU": 0.5}
    assert resources({}, given) == [worker]
    assert resources({"cluster.workers": 3}, given) == [{"CPU": DRIVER_CPUS}, *[worker] * 3]
    assert resources({"kernel": "nonsense"}, given) == [{"CPU": DRIVER_CPUS}]


def test_a_trial_takes_the_part_of_a_gpu_that_its_own_values_name(tmp_path: Path, monkeypatch):
    name = "XLA_PYTHON_CLIENT_MEM_FRACTION"
    monkeypatch.setenv(name, "")  # so that it is as before when the test ends
    sweep = sweep_of(tmp_path, run={"cluster": {"gpus_per_worker": 0.5}})
    given = Surroundings(sweep, None, {"CPU": 1, "GPU": 0.5})
    for gpus, expected in ((0.25, "0.225"), (1.0, None), (None, "0.450")):
        monkeypatch.delenv(name)
        cluster = settings.run_of(sweep, 0, {"cluster.gpus_per_worker": gpus}).cluster
        share_gpu(worker_bundle(cluster, given.bundle))
        assert os.environ.get(name) == expected
        monkeypatch.setenv(name, "")


def test_gpu_hours_count_every_process_of_a_trial(tmp_path: Path):
    """Ray Tune's total begins anew with each process."""
    budget = {"trials": 4, "gpu_hours": 1.0}
    sweep = sweep_of(tmp_path, run={"cluster": {"gpus_per_worker": 0.5}}, budget=budget)
    spent = Spent(Surroundings(sweep, None, {"CPU": 1, "GPU": 0.5}), already=600.0)
    given = {"config": {"number": 0, "lam.value": 1.0}}
    # 600 GPU seconds of an earlier driver, then 2400 in the first process, 600 in the second.
    for total, now in ((2400.0, 2400.0), (4800.0, 2400.0), (1100.0, 1100.0)):
        assert not spent("a", given | {"time_total_s": total, "time_this_iter_s": now})
        assert not spent.stop_all()
    whole = {"config": {"number": 1, "cluster.gpus_per_worker": 1.0}}
    assert not spent("b", whole | {"time_total_s": 49.0, "time_this_iter_s": 49.0})
    assert not spent.stop_all()
    assert not spent("b", whole | {"time_total_s": 50.0, "time_this_iter_s": 1.0})
    assert spent.stop_all()


def test_without_gpu_hours_nothing_is_spent(tmp_path: Path):
    spent = Spent(Surroundings(sweep_of(tmp_path), None, {"CPU": 1}), already=1e9)
    assert not spent("a", {"config": {"number": 0}, "time_this_iter_s": 1e9})
    assert not spent.stop_all()
