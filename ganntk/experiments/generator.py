"""A generator network over the steps of its training (Table 8 and Fig. 9 of the paper). Layer 7."""

from dataclasses import dataclass

import numpy as np

from ganntk import config, generation, sampling, storage
from ganntk.config import RunConfig
from ganntk.coupling import Generator
from ganntk.distributed.driver import Progress, run
from ganntk.errors import InputError
from ganntk.experiments import runs
from ganntk.experiments.base import Cell, Experiment, Findings
from ganntk.experiments.runs import Rows
from ganntk.features import Extractor, open_extractor
from ganntk.generators import network as networks
from ganntk.metrics import frechet, structural
from ganntk.report import figures

_COLUMNS = ("images", "step", "Fréchet distance", "AM-SSIM")
_SHOWN = 6


@Experiment.register("generator")
@dataclass(frozen=True)
class GeneratorOverSteps(Experiment):
    """Generators of several numbers of images, sampled from their checkpoints.

    Attributes:
        sizes: numbers of real images.
        every: steps between two rows of the table.
        samples: drawn at each of them.
        features: of the Fréchet distance to held-out rows.
    """

    sizes: tuple[int, ...] = (64,)
    every: int = 500
    samples: int = 2000
    features: str = "random"

    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        if not isinstance(given.coupling, Generator):
            raise InputError("the experiment generator needs coupling.type generator")
        extractor = open_extractor(self.features)
        # Fewer images are the first of more.
        most = config.with_values(given, {"data.size": max(self.sizes)}).data.load().rows
        reference = extractor.extract(runs.held_out_of(given, "generator", most))
        rows: list[tuple[Cell, ...]] = []
        lines: dict[str, np.ndarray] = {}
        pictures: dict[str, np.ndarray] = {}
        for size in self.sizes:
            uri = storage.join(folder, "runs", f"images-{size}")
            kept = {"checkpoints.every": self.every, "checkpoints.keep_every": self.every}
            part = config.with_values(given, {"data.size": size, "run_uri": uri, **kept})
            run(part, progress)
            real = part.data.load().rows
            curve = []
            for step in range(self.every, given.steps + 1, self.every):
                progress.phase(f"measuring step {step} of {size} images")
                found = self._drawn(part, given.coupling, step)
                numbers = _measured(found, real, extractor, reference)
                rows.append((size, step, *numbers))
                curve.append((step, *numbers))
                title = f"{size} images, step {step}"
                pictures[title] = runs.sheet(found, _SHOWN, _SHOWN)
            own = frechet.between(extractor.extract(real), reference)
            rows.append((size, "the images themselves", own, 1.0))
            lines[f"{size} images"] = np.array(curve)[:, :2]
        figure = figures.stages(
            {f"Fréchet distance of {self.samples} to held-out images": lines},
            _ends(pictures),
            log_up=True,
        )
        caption = "Distance to held-out images over the steps, and images along the way."
        return Findings(_COLUMNS, tuple(rows), figure, caption)

    def _drawn(self, part: RunConfig, coupling: Generator, step: int) -> Rows:
        trained = sampling.load(part.run_uri, coupling.network, part.precision, part.data, step)
        key = generation.sample_key(part.seed)
        return trained.rows(networks.codes(trained.network, key, self.samples))


def _measured(
    found: Rows, real: Rows, extractor: Extractor, reference: np.ndarray
) -> tuple[float, float]:
    distance = frechet.between(extractor.extract(found), reference)
    return distance, structural.compute(structural.between(found, real))


def _ends(pictures: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """At most four, evenly by rank, the last among them."""
    names = list(pictures)
    chosen = np.unique(np.linspace(0, len(names) - 1, 4).round().astype(int))
    return {names[i]: pictures[names[i]] for i in chosen}
