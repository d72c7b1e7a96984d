"""Whole sets of generated rows at several resolutions, dealt out to the workers. Layer 6."""

from typing import Any

import numpy as np

from ganntk import levels
from ganntk.config import RunConfig
from ganntk.distributed.sets import Sets
from ganntk.distributed.shared import ALONE, Shared
from ganntk.distributed.worker import Worker
from ganntk.levels import LevelsProblem
from ganntk.synthesis import StepReport, SynthesisState


class LevelsWorker(Worker):
    """A set's step is a sum over levels, each with one Gram matrix of all rows."""

    def __init__(self, config: RunConfig, rank: int = 0, shared: Shared = ALONE) -> None:
        super().__init__(config, rank, shared)
        self._given = LevelsProblem(self._problem, config.levels)

    def _look_at_data(self) -> int:
        self._reals = levels.prepare(self._given, self._rows, precision=self._config.precision)
        return len(self._rows)

    def _first(self, member: int) -> SynthesisState:
        seed = self._config.seed
        return levels.init(self._given, self._reals, self._rows, seed=seed, member=member)

    def _advanced(
        self, member: int, state: SynthesisState, steps: int
    ) -> tuple[SynthesisState, StepReport]:
        longest = self._config.report_every
        return levels.advance(self._given, self._reals, state, steps=steps, longest=longest)

    def _looked(self, member: int, state: SynthesisState) -> tuple[Any, Any]:
        return levels.look(self._given, self._reals, state)


class LevelSets(Sets):
    """Nothing is exchanged between sets, whatever their number of levels."""

    worker = LevelsWorker

    def d_elsewhere(self, others: np.ndarray) -> None:
        """Each level has a discriminator of its own."""
