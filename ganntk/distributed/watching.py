"""A run that is watched: checks between blocks of steps, and the state that is kept. Layer 6."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ganntk.config import RunConfig
from ganntk.distributed.guarded import Guarded
from ganntk.stopping import Check, Watch

_log = logging.getLogger(__name__)


class Seen(NamedTuple):
    """What was known of a run where it goes on.

    Attributes:
        records: the lines of its metrics.
        kept: step and state of the best check, where that is not the present one; else None.
    """

    records: Sequence[Mapping[str, Any]]
    kept: tuple[int, Any] | None


class Watcher:
    """Looks at the generated rows at some steps, and holds the state of the best of them.

    A run that was resumed decides as if it had not been interrupted.

    Args:
        config: the run; its `stopping` is the rule.
        workers: who own the rows.
        training: what the rows must not copy.
        seen: what the run knew where it goes on, or None for a new one; the workers are there.
        step: optimiser steps taken.

    Attributes:
        reason: why the run is to stop, or None.

    Raises:
        InputError: the held-out rows cannot be read or compared.
    """

    def __init__(
        self,
        config: RunConfig,
        workers: Guarded,
        training: np.ndarray,
        seen: Seen | None = None,
        step: int = 0,
    ) -> None:
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
            if seen is not None:
                self._take_up(seen, step)

    @property
    def kept(self) -> tuple[int, Any] | None:
        """The step that is kept as far as is known, and its state."""
        return self._kept

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
        best = self._decide()
        if best == step:
            self._kept = (step, self._workers.state())
        if self.reason is not None:
            _log.info("stopped at step %d: %s; step %d is kept", step, self.reason, best)
        return found

    def _decide(self) -> int:
        """Ask the rule whether to stop; the step that it keeps."""
        verdict = self._rule.decide(self._history)
        self.reason = verdict.reason
        return self._history[verdict.best].step

    def _take_up(self, seen: Seen, step: int) -> None:
        """Know again what was known at a step."""
        self._history = [
            Check(line["step"], {k: v for k, v in line.items() if isinstance(v, int | float)})
            for line in seen.records
            if "memorisation" in line and self.is_due(line["step"])
        ]
        if not self._history:
            return
        best = self._decide()
        if best == step:
            self._kept = (step, self._workers.state())
        elif seen.kept is not None and seen.kept[0] == best:
            self._kept = seen.kept
        else:
            _log.warning("the state of step %d, the best so far, was not saved", best)

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
