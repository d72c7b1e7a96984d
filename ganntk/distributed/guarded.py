"""A strategy whose workers may fail: snapshots, replacement, replay. Layer 6.

Random numbers depend on the seed and on global indices alone, so steps that are replayed, on
whichever worker, give the numbers that they gave before: a run ends as if nothing had happened.
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ganntk.config import RunConfig
from ganntk.coupling import Exchange
from ganntk.distributed.group import WorkerGroup
from ganntk.distributed.recovery import Decision, Event, WorkerFailureError, decide
from ganntk.distributed.strategy import Strategy
from ganntk.distributed.worker import Finished, Prepared
from ganntk.synthesis import StepReport

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Guarded:
    """What a strategy does, carried through failures of its workers.

    Attributes:
        restarts: workers that were replaced so far.
    """

    def __init__(self, config: RunConfig, group: WorkerGroup, strategy: Strategy) -> None:
        self._cluster, self._longest = config.cluster, config.report_every
        self._group, self._strategy = group, strategy
        self._step, self._snapshot_step = 0, -1
        self._snapshot: Any = None
        self._failures = 0
        self._is_between_steps = True
        self.restarts = 0

    def prepare(self) -> Prepared:
        """See `Strategy`."""
        prepared = self._safely(self._strategy.prepare)
        self._keep_snapshot()
        return prepared

    def last_state(self) -> tuple[int, Any]:
        """The newest state that can be had, and its step: after an interruption."""
        if self._is_between_steps:
            self.state()
        return self._snapshot_step, self._snapshot

    def state(self) -> Any:
        """The state as it is: NumPy arrays that know nothing of workers."""
        if self._snapshot_step != self._step:
            self._keep_snapshot()
        return self._snapshot

    def restore(self, step: int, state: Any) -> None:
        """Go on from a state, of so many steps, whoever saved it."""
        self._step = self._snapshot_step = step
        self._snapshot = state
        self._safely(lambda: self._strategy.restore(state, ()))

    def advance(self, steps: int) -> StepReport:
        """Take a block of steps from where the run is."""
        self._is_between_steps = False
        report = self._safely(lambda: self._strategy.advance(self._step, steps))
        self._step += steps
        self._is_between_steps = True
        self._failures = 0
        if self._step - self._snapshot_step >= self._cluster.snapshot_every:
            self._keep_snapshot()
        return report

    def points(self) -> np.ndarray:
        """See `Strategy`."""
        return self._safely(self._strategy.points)

    def memory(self) -> list[int]:
        """Bytes in use on the device of each worker."""
        return self._safely(lambda: self._group.call("memory"))

    def d_elsewhere(self, others: np.ndarray) -> float | None:
        """See `Strategy`."""
        return self._safely(lambda: self._strategy.d_elsewhere(others))

    @property
    def exchange(self) -> Exchange | None:
        """See `Strategy`."""
        return self._strategy.exchange

    def finish(self) -> Finished:
        """See `Strategy`."""
        return self._safely(self._strategy.finish)

    def _keep_snapshot(self) -> None:
        self._snapshot = self._safely(self._strategy.snapshot)
        self._snapshot_step = self._step

    def _safely(self, call: Callable[[], T]) -> T:
        """Call, and call again after every failure that is put up with."""
        while True:
            try:
                return call()
            except WorkerFailureError as failure:
                self._recover(failure)

    def _recover(self, failure: WorkerFailureError) -> None:
        """Bring the workers to where they were before the call that failed."""
        self._failures += 1
        is_started = self._snapshot is not None
        event = Event(failure.failure, is_started, self._failures, self._cluster.failures)
        decision = decide(event)
        _log.warning("step %d: %s; decision: %s", self._step, failure, decision.value)
        if decision is Decision.RAISE:
            raise failure
        is_new = decision is Decision.REPLACE_WORKER
        try:
            if is_new:
                self._group.replace(failure.ranks)
                self.restarts += len(failure.ranks)
            if is_started:
                self._replay(failure.ranks if is_new else ())
        except WorkerFailureError as another:
            # The limit of failures bounds the depth.
            self._recover(another)

    def _replay(self, new_ranks: tuple[int, ...]) -> None:
        """Restore the last snapshot, and take the steps since then again."""
        self._strategy.restore(self._snapshot, new_ranks)
        step = self._snapshot_step
        while step < self._step:
            steps = min(self._longest, self._step - step)
            self._strategy.advance(step, steps)
            step += steps
