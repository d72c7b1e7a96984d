"""Many images: exact and batch-wise steps (Fig. 7 of the paper). Layer 7."""

from dataclasses import dataclass

import numpy as np

from ganntk import config, storage
from ganntk.config import RunConfig
from ganntk.coupling import Batchwise
from ganntk.distributed.driver import Progress
from ganntk.errors import InputError
from ganntk.experiments import runs
from ganntk.experiments.base import Cell, Experiment, Findings
from ganntk.metrics import structural
from ganntk.report import figures
from ganntk.run_folder import RunFolder

_COLUMNS = ("images", "rows of K, exact", "exact, s / step", "batch-wise, s / step", "AM-SSIM")
_SHOWN = 8


@Experiment.register("scalability")
@dataclass(frozen=True)
class Scalability(Experiment):
    """Seconds of a step by the number of images, then a whole run of the largest, batch-wise.

    Attributes:
        sizes: numbers of real and generated images; the run of the last is carried through.
        largest_exact: above it no exact step is timed.
        timed: steps of a run that is only timed; the first is left out.
    """

    sizes: tuple[int, ...] = (64, 128, 256)
    largest_exact: int = 256
    timed: int = 4

    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        if not isinstance(given.coupling, Batchwise):
            raise InputError("the experiment scalability needs coupling.type batchwise")
        exact, batches = [], []
        for size in self.sizes:
            place = storage.join(folder, "runs", f"timed-{size}")
            few = {"data.size": size, "points.count": size, "steps": self.timed}
            few |= {"report_every": 1, "sample_every": self.timed}
            if size <= self.largest_exact:
                alone = {**few, "coupling": {"type": "exact"}}
                runs.ended(given, f"{place}-exact", progress, alone)
                exact.append((size, _seconds(f"{place}-exact")))
            runs.ended(given, place, progress, few)
            batches.append((size, _seconds(place)))
        known = dict(exact)
        rows: list[tuple[Cell, ...]] = [
            (size, 2 * size, known.get(size, "-"), seconds, "-") for size, seconds in batches
        ]
        uri, most = storage.join(folder, "runs", "whole"), self.sizes[-1]
        found = runs.ended(given, uri, progress, {"data.size": most, "points.count": most})
        real = config.with_values(given, {"data.size": most}).data.load().rows
        rows[-1] = (*rows[-1][:-1], structural.compute(structural.between(found, real)))
        figure = figures.stages(
            {"seconds of a step": {"exact": np.array(exact), "batch-wise": np.array(batches)}},
            {
                f"{most} real": runs.sheet(real, _SHOWN, _SHOWN),
                f"batch-wise, {given.steps} steps": runs.sheet(found, _SHOWN, _SHOWN),
            },
            across="images",
            log_across=True,
            log_up=True,
        )
        caption = (
            f"Seconds of a step by the number of images; {_SHOWN**2} of {most} real and generated "
            f"images after {given.steps} batch-wise steps."
        )
        return Findings(_COLUMNS, tuple(rows), figure, caption)


def _seconds(uri: str) -> float:
    """The median of a step, without the first block, which compiles."""
    records = RunFolder.open(uri).read_metrics()
    seconds = [1 / line["steps_per_second"] for line in records if "steps_per_second" in line]
    return float(np.median(seconds[1:] or seconds))
