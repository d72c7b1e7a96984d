"""Quality by the number of images (Table 1 of the paper). Layer 7."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ganntk import config, storage
from ganntk.config import RunConfig
from ganntk.distributed.driver import Progress
from ganntk.evaluation import novelty
from ganntk.experiments import runs
from ganntk.experiments.base import Cell, Experiment, Findings
from ganntk.experiments.runs import Rows
from ganntk.features import open_extractor
from ganntk.lam import Fixed, reference_rate
from ganntk.metrics import frechet
from ganntk.report import figures
from ganntk.stopping.rules import Novelty

_COLUMNS = ("images", "rows", "Fréchet distance", "AM-SSIM", "memorisation")
_SHOWN = 6


@Experiment.register("table")
@dataclass(frozen=True)
class QualityTable(Experiment):
    """Runs on several numbers of images, to the end and stopped before they copy.

    Attributes:
        sizes: numbers of real and of generated images.
        rate: of the authors' code, which makes lam of it.
        every: steps between two checks of the stopped run.
        features: of the Fréchet distance to held-out rows.
    """

    sizes: tuple[int, ...] = (64, 128, 256)
    rate: float = 2.0
    every: int = 4
    features: str = "random"

    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        # Fewer images are the first of more.
        most = config.with_values(given, {"data.size": max(self.sizes)}).data.load().rows
        fresh = runs.held_out_of(given, "table", most)
        extractor = open_extractor(self.features)
        half = len(fresh) // 2
        reference = extractor.extract(fresh[:half])
        stop = Novelty(every=self.every, held_out=given.stopping.held_out)
        rows: list[tuple[Cell, ...]] = []
        pictures: dict[str, np.ndarray] = {}
        for size in self.sizes:
            lam = reference_rate(self.rate, size, size)
            part = config.with_values(given, {"data.size": size, "points.count": size})
            part = dataclasses.replace(part, lam=Fixed(lam))
            real = part.data.load().rows
            places = [storage.join(folder, "runs", f"{size}-{name}") for name in ("whole", "stop")]
            stopped = dataclasses.replace(part, stopping=stop)
            sets: dict[str, Rows] = {
                f"GA-CNTK, {given.steps} steps": runs.ended(part, places[0], progress),
                "GA-CNTK, novelty stop": runs.ended(stopped, places[1], progress),
                "training images": real,
                "held-out images": fresh[half:][:size],
            }
            yardstick = -novelty.similarities(fresh[half:], real)
            for name, found in sets.items():
                similar = novelty.similarities(found, real)
                score = novelty.memorised({name: -similar}, yardstick)[name]["memorisation"].value
                distance = frechet.between(extractor.extract(found), reference)
                rows.append((size, name, distance, float(similar.mean()), score))
            for name in list(sets)[:2]:
                pictures[f"{size}: {name}"] = runs.sheet(sets[name], _SHOWN, _SHOWN)
        caption = f"{_SHOWN**2} images of each run."
        figure = figures.sheets(pictures, columns=2 * min(len(self.sizes), 2))
        return Findings(_COLUMNS, tuple(rows), figure, caption)
