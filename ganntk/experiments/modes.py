"""The modes of a mixture that generated points reach (Figs. 5 and S6 of the paper). Layer 7."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ganntk import storage
from ganntk.config import RunConfig
from ganntk.data import Mixture, mixture_modes
from ganntk.distributed.driver import Progress
from ganntk.errors import InputError
from ganntk.experiments import runs
from ganntk.experiments.base import Cell, Experiment, Findings
from ganntk.metrics import mode_statistics, transport
from ganntk.report import figures

_COLUMNS = ("set", "modes", "within 3 std", "half W2^2 to data", "half W2^2 to fresh")
_FRESH_SEED = 10_000


@Experiment.register("modes")
@dataclass(frozen=True)
class ModeCoverage(Experiment):
    """Several seeds of one run on a mixture, beside its data and a fresh sample of it.

    Attributes:
        seeds: of the runs.
    """

    seeds: tuple[int, ...] = (0, 1, 2)

    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        if not isinstance(given.data, Mixture):
            raise InputError("the experiment modes is about a mixture: take data.type mixture")
        data = given.data
        real = data.load().rows
        fresh = dataclasses.replace(data, seed=_FRESH_SEED, size=len(real)).load().rows
        places = {seed: storage.join(folder, "runs", f"seed-{seed}") for seed in self.seeds}
        ends = {
            f"seed {seed}": runs.ended(given, uri, progress, {"seed": seed})
            for seed, uri in places.items()
        }
        noise = np.random.default_rng(_FRESH_SEED).uniform(size=real.shape)
        sets = {"data": real, "fresh sample": fresh, "uniform noise": noise, **ends}
        rows = [self._row(name, points, real, fresh, data.modes) for name, points in sets.items()]
        shown = {name: sets[name] for name in ("fresh sample", *list(ends)[:3])}
        caption = (
            f"Generated points over the {len(real)} real ones in grey, after {given.steps} steps: "
            "a fresh sample of the mixture, and runs from several starts."
        )
        return Findings(_COLUMNS, tuple(rows), figures.planes(shown, real), caption)

    def _row(
        self, name: str, points: np.ndarray, real: np.ndarray, fresh: np.ndarray, modes: int
    ) -> tuple[Cell, ...]:
        centres, std = mixture_modes(modes)
        found = mode_statistics(points, centres, std)
        distances = [transport.between(points, other) for other in (real, fresh)]
        return (name, found.modes_hit, found.within, *distances)
