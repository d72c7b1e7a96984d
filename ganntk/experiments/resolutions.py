"""Several resolutions beside one (Eq. 7, Figs. 2 and 3 of the paper). Layer 7."""

import dataclasses
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from ganntk import config, storage
from ganntk.config import RunConfig
from ganntk.distributed.driver import Progress
from ganntk.errors import InputError
from ganntk.experiments import runs
from ganntk.experiments.base import Cell, Experiment, Findings
from ganntk.experiments.runs import Rows
from ganntk.features import open_extractor
from ganntk.levels import pooled
from ganntk.metrics import frechet, nearest, structural
from ganntk.report import figures

_SHOWN = 4


@Experiment.register("resolutions")
@dataclass(frozen=True)
class Resolutions(Experiment):
    """The run with its levels, and without them, at the same steps.

    Coherence is what is left when details are averaged away: rows and real rows are pooled to
    `side` pixels, where a whole face is a few numbers, and the distance of each row to the nearest
    real one is taken, over the mean distance of held-out rows to it. 1 is as coherent as a face.

    Attributes:
        marks: steps at which both are measured.
        side: of the pooled images.
        features: of the Fréchet distance to held-out rows.
        dense: a kernel that sees no neighbourhoods, without levels too: GA-FNTK.
    """

    marks: tuple[int, ...] = (20, 40, 80, 160, 320)
    side: int = 8
    features: str = "random"
    dense: str = "fnn"

    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        if not given.levels:
            raise InputError("the experiment resolutions needs levels: it compares with none")
        real = given.data.load().rows
        fresh = runs.held_out_of(given, "resolutions", real)
        extractor = open_extractor(self.features)
        reference = extractor.extract(fresh)
        scale = float(np.mean(self._gaps(fresh, real)))
        single = dataclasses.replace(given, levels=())
        variants = {
            f"one resolution, {self.dense}": config.with_values(single, {"kernel": self.dense}),
            "one resolution": single,
            "levels " + "/".join(str(level.side) for level in given.levels): given,
        }
        rows: list[tuple[Cell, ...]] = []
        pictures: dict[str, np.ndarray] = {}
        for name, variant in variants.items():
            uri = storage.join(folder, "runs", name.replace("/", "-").replace(" ", "-"))
            for step, found in runs.by_stages(variant, uri, self.marks, progress):
                distance = frechet.between(extractor.extract(found), reference)
                similarity = structural.compute(structural.between(found, real))
                coarse = float(np.mean(self._gaps(found, real))) / scale
                rows.append((name, step, coarse, distance, similarity))
                pictures[f"{name}, step {step}"] = runs.sheet(found, _SHOWN, _SHOWN)
        rows.append(self._yardstick(fresh, real, extractor.extract(real), reference))
        columns = ("run", "step", f"coarse distance, {self.side} pixels")
        caption = f"{_SHOWN**2} of {len(real)} generated images of each run at the same steps."
        figure = figures.sheets(pictures, columns=len(self.marks))
        return Findings((*columns, "Fréchet distance", "AM-SSIM"), tuple(rows), figure, caption)

    def _gaps(self, rows: Rows, real: Rows) -> np.ndarray:
        small = [np.asarray(pooled(jnp.asarray(each), self.side)) for each in (rows, real)]
        return nearest(*small).distance

    def _yardstick(
        self, fresh: Rows, real: Rows, own: np.ndarray, reference: np.ndarray
    ) -> tuple[Cell, ...]:
        similarity = structural.compute(structural.between(fresh, real))
        return ("held-out; training", "", 1.0, frechet.between(own, reference), similarity)
