"""Generated images beside those most like them (supplement, Figs. 7 to 9). Layer 7."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganntk import config, storage
from ganntk.config import RunConfig
from ganntk.distributed.driver import Progress
from ganntk.evaluation import novelty
from ganntk.experiments import runs
from ganntk.experiments.base import Cell, Experiment, Findings
from ganntk.experiments.runs import Rows
from ganntk.metrics import structural
from ganntk.report import figures

_COLUMNS = ("rows", "AM-SSIM", "above 0.9", "memorisation")
_COPY = 0.9


@Experiment.register("neighbours")
@dataclass(frozen=True)
class Neighbours(Experiment):
    """Several variants of one run, each beside its nearest training images.

    Attributes:
        variants: name -> keys of the run that differ.
        shown: images of each variant.
        nearest: training images beside each.
    """

    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"GA-CNTK": {}})
    shown: int = 6
    nearest: int = 4

    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        for values in self.variants.values():
            config.with_values(given, values)  # raises before hours of the first one
        real = given.data.load().training
        fresh = runs.held_out_of(given, "neighbours", real)
        half = len(fresh) // 2
        yardstick = novelty.similarities(fresh[half:], real)
        sets: dict[str, Rows] = {}
        for name, values in self.variants.items():
            uri = storage.join(folder, "runs", name.replace(" ", "-"))
            sets[name] = runs.ended(given, uri, progress, values)
        sets["held-out rows"] = fresh[:half]
        table: list[tuple[Cell, ...]] = []
        for name, rows in sets.items():
            found = novelty.similarities(rows, real)
            score = novelty.memorised({name: -found}, -yardstick)[name]["memorisation"].value
            copies = float(np.mean(found > _COPY))
            table.append((name, float(found.mean()), copies, score))
        figure = figures.sheets({name: self._picture(rows, real) for name, rows in sets.items()})
        caption = (
            f"Each line: a generated image, then the {self.nearest} of {len(real)} training images "
            "with the largest structural similarity to it."
        )
        return Findings(_COLUMNS, tuple(table), figure, caption)

    def _picture(self, rows: Rows, real: Rows) -> np.ndarray:
        chosen = rows[np.linspace(0, len(rows) - 1, self.shown).round().astype(int)]
        similar = structural.pairs(chosen, real)
        best = np.argsort(-similar, axis=1)[:, : self.nearest]
        lines = [
            np.concatenate([row[None], real[of]]) for row, of in zip(chosen, best, strict=True)
        ]
        return runs.sheet(np.concatenate(lines), self.nearest + 1, self.shown)
