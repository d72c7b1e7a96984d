"""What is decided when something fails, and that a run is carried through it."""

import numpy as np
import pytest

from ganntk import config
from ganntk.distributed.choice import SharedGram, strategy_for
from ganntk.distributed.group import LocalGroup
from ganntk.distributed.guarded import Guarded
from ganntk.distributed.recovery import Decision, Event, Failure, WorkerFailureError, decide
from ganntk.distributed.strategy import Strategy
from ganntk.errors import InputError

pytestmark = pytest.mark.usefixtures("quick_compile")

WORDS = ["--kernel", "fnn", "--data.type", "mixture", "--data.size", "12", "--points.count", "5"]
RUN = [*WORDS, "--lam", "30", "--report_every", "3"]


def decision(failure: Failure, *, is_started: bool = True, failures: int = 1) -> Decision:
    return decide(Event(failure, is_started, failures, limit=3))


@pytest.mark.parametrize("failure", [Failure.WORKER_LOST, Failure.WORKER_HANGS])
@pytest.mark.parametrize("is_started", [True, False])
def test_a_worker_that_is_gone_is_replaced(failure, is_started):
    assert decision(failure, is_started=is_started) is Decision.REPLACE_WORKER


def test_a_lost_value_is_computed_again():
    assert decision(Failure.OBJECT_LOST) is Decision.RESTORE
    assert decision(Failure.OBJECT_LOST, is_started=False) is Decision.RETRY


@pytest.mark.parametrize("failure", list(Failure))
def test_the_limit_ends_a_run(failure):
    assert decision(failure, failures=4) is Decision.RAISE


class Fragile(LocalGroup):
    """Workers of this process; chosen calls of a method lose a worker, with all that it knows."""

    can_lose_workers = True

    def __init__(self, worker: type, run: config.RunConfig, **doomed: set[int]) -> None:
        super().__init__(worker, run)
        self.doomed, self.calls, self.replaced = doomed, {}, []
        self.met: dict[str, set[int]] = {}
        self.make = lambda rank: worker(run, rank)

    def get(self, handles):
        for handle in handles:
            if isinstance(handle, WorkerFailureError):
                raise handle
        return super().get(handles)

    def submit(self, rank, method, *arguments):
        count = self.calls[method] = self.calls.get(method, 0) + 1
        if count in self.doomed.get(method, ()):
            self._workers[rank] = None
            self.met.setdefault(method, set()).add(count)
        failed = [each for each in arguments if isinstance(each, WorkerFailureError)]
        if failed:
            return failed[0]
        if self._workers[rank] is None:
            return WorkerFailureError(Failure.WORKER_LOST, "it is gone", (rank,))
        return super().submit(rank, method, *arguments)

    def replace(self, ranks):
        for rank in ranks:
            self._workers[rank] = self.make(rank)
            self.replaced.append(rank)


def points_after(
    run: config.RunConfig, steps: int, **doomed: set[int]
) -> tuple[np.ndarray, Fragile]:
    chosen: type[Strategy] = strategy_for(run)
    group = Fragile(chosen.worker, run, **doomed)
    workers = Guarded(run, group, chosen(group, run))
    workers.prepare()
    for _ in range(steps // 3):
        workers.advance(3)
    finished = workers.finish()
    np.testing.assert_array_equal(finished.points, workers.points())
    return finished.points, group


@pytest.mark.parametrize(
    "doomed",
    [
        {"move": {9}},  # in the middle of a block
        {"solve": {5}},  # the worker that solves
        {"snapshot": {3}},  # while the state is copied
        {"fill": {1}},  # before the first step
        {"prepare": {2}},
        {"look": {1}},  # at the very end
        {"move": {9, 20}, "restore": {2}},  # again, and while it is brought back
    ],
)
def test_an_exact_run_that_loses_workers_ends_as_one_that_did_not(doomed):
    words = [*RUN, "--cluster.workers", "2", "--cluster.snapshot_every", "6"]
    run = config.load(None, words)
    assert strategy_for(run) is SharedGram
    wanted, whole = points_after(run, 15)
    found, group = points_after(run, 15, **doomed)
    assert whole.replaced == []
    assert group.met == doomed
    assert group.replaced != []
    np.testing.assert_array_equal(found, wanted)


OTHERS = {
    "independent": ["--coupling.type", "independent", "--coupling.sets", "3"],
    "batchwise": ["--coupling.type", "batchwise", "--coupling.batch", "4", "--coupling.sets", "3"],
    "generator": [
        *["--coupling.type", "generator", "--coupling.network.type", "dense"],
        *["--coupling.batch", "6", "--coupling.batches", "10"],
    ],
    "vectors": ["--coupling.exchange", "vectors", "--solver", "lanczos"],
}


@pytest.mark.parametrize(
    ("coupling", "doomed"),
    [
        ("independent", {"advance": {4}}),  # in the second block: the first is taken again
        ("independent", {"points": {1}}),
        ("independent", {"prepare": {1}}),
        ("batchwise", {"advance": {4}, "finish": {2}}),
        ("generator", {"share": {45}}),
        ("generator", {"added": {7}, "look": {2}}),
        ("generator", {"start": {1}}),
        ("vectors", {"multiply": {3}}),  # while lam is chosen
        ("vectors", {"multiply": {60}, "move_along": {7}}),
        ("vectors", {"keep_share": {2}, "keep_rows": {9}}),
    ],
)
def test_no_coupling_notices_the_loss_of_workers(coupling, doomed):
    words = [*RUN, *OTHERS[coupling], "--cluster.workers", "2", "--cluster.snapshot_every", "6"]
    run = config.load(None, words)
    wanted, _ = points_after(run, 9)
    found, group = points_after(run, 9, **doomed)
    assert group.met == doomed  # each of them was lost, and replaced
    assert group.replaced != []
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("words", "doomed"),
    [
        ([], {"fill": {11}}),
        (OTHERS["vectors"], {"move_along": {9}}),
        (OTHERS["independent"], {"advance": {4}}),
        (OTHERS["generator"], {"share": {45}}),
    ],
)
def test_a_worker_that_takes_the_place_of_another_has_to_find_its_rows(words, doomed):
    words = [*RUN, *words, "--cluster.workers", "2"]
    run, other = (config.load(None, [*words, "--data.seed", seed]) for seed in ("0", "1"))
    chosen: type[Strategy] = strategy_for(run)
    group = Fragile(chosen.worker, run, **doomed)
    group.make = lambda rank: chosen.worker(other, rank)
    workers = Guarded(run, group, chosen(group, run))
    workers.prepare()
    workers.advance(3)
    with pytest.raises(InputError, match="found other real rows"):
        workers.advance(3)
    assert group.met == doomed


def test_a_worker_that_dies_again_and_again_ends_the_run():
    run = config.load(None, [*RUN, "--cluster.workers", "2", "--cluster.failures", "2"])
    with pytest.raises(WorkerFailureError, match="it is gone"):
        points_after(run, 6, prepare=set(range(1, 50)))
