"""A run that is watched: checks between blocks of steps, and the state that is kept. Layer 6."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from ganntk.config import RunConfig
from ganntk.distributed.guarded import Guarded
from ganntk.stopping import Check, Watch

_log = logging.getLogger(__name__)


class Watcher:
    """Looks at the generated rows at some steps, and holds the state of the best of them.

    A run that was resumed looks at what comes after: states of earlier checks are gone.

    Args:
        config: the run; its `stopping` is the rule.
        workers: who own the rows.
        training: what the rows must not copy.

    Attributes:
        reason: why the run is to stop, or None.

    Raises:
        InputError: the held-out rows cannot be read or compared.
    """

    def __init__(self, config: RunConfig, workers: Guarded, training: np.ndarray) -> None:
        self._rule, self._steps, self._workers = config.stopping, config.steps, workers
        self._shown = config.data.shown
        self._history: list[Check] = []
        self._kept: tuple[int, Any] | None = None
        self._watch: Watch | None = None
        self.reason: str | None = None
        if self._rule.every:
            source = self._rule.held_out
            training = config.data.shown(training)
            self._watch = Watch(training, None if source is None else source.load().rows)

    def until_due(self, step: int) -> int | None:
        """Steps until the next check; None where nothing is watched."""
        every = self._rule.every
        return every - step % every if every else None

    def is_due(self, step: int) -> bool:
        """Whether to look at the rows of a step."""
        every = self._rule.every
        return bool(every) and (step % every == 0 or step == self._steps)

    def look(self, step: int, seen: Mapping[str, float]) -> dict[str, float]:
        """Measure the rows at a check that is due, and ask the rule.

        Args:
            step: optimiser steps taken.
            seen: what the run has measured itself at that step.

        Returns:
            The series of the check; empty where nothing is watched.
        """
        if self._watch is None:
            return {}
        found = self._watch.measure(self._shown(self._workers.points()))
        if self._watch.compared is not None:
            d = self._workers.d_elsewhere(self._watch.compared)
            found |= {} if d is None else {"d_held_out": d}
        self._history.append(Check(step, {**seen, **found}))
        verdict = self._rule.decide(self._history)
        best = self._history[verdict.best].step
        if best == step:
            self._kept = (step, self._workers.state())
        self.reason = verdict.reason
        if verdict.reason is not None:
            _log.info("stopped at step %d: %s; step %d is kept", step, verdict.reason, best)
        return found

    def restore_kept(self, step: int) -> int:
        """Bring the workers back to the step that is kept, and say which one it is.

        Args:
            step: where they are.
        """
        if self._kept is None or self._kept[0] == step:
            return step
        self._workers.restore(*self._kept)
        return self._kept[0]

    def summary(self, last: int, kept: int) -> dict[str, Any]:
        """What `result.json` says of the end of a run that was watched, under ``stopping``."""
        if self._watch is None:
            return {}
        return {"stopping": {"last_step": last, "kept_step": kept, "reason": self.reason}}
