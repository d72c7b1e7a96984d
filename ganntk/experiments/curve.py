"""A learning curve with pictures along the way (Fig. 4 of the paper). Layer 7."""

import dataclasses
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ganntk import storage
from ganntk.config import RunConfig
from ganntk.distributed.driver import Progress, run
from ganntk.errors import InputError
from ganntk.experiments.base import Cell, Experiment, Findings
from ganntk.report import contents, figures
from ganntk.run_folder import RunFolder

_SERIES = {
    "loss_per_real": "loss per real row",
    "d_points": "D on generated rows",
    "am_ssim": "AM-SSIM",
    "held_out_distance": "distance to held-out rows",
}


@Experiment.register("curve")
@dataclass(frozen=True)
class LearningCurve(Experiment):
    """One run that is watched.

    Attributes:
        stages: pictures and rows of the table, evenly by rank of the watched steps.
    """

    stages: int = 5

    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        if not given.stopping.every:
            raise InputError("the experiment curve needs stopping.every: what is watched is drawn")
        uri = storage.join(folder, "runs", "run")
        run(dataclasses.replace(given, run_uri=uri), progress)
        found = contents.read(RunFolder.open(uri))
        names = {name: title for name, title in _SERIES.items() if len(found.series(name))}
        steps = self._chosen(sorted(found.samples))
        rows: list[tuple[Cell, ...]] = []
        for step in steps[1:]:
            values = [found.at(step, name) for name in names]
            rows.append((step, *(float("nan") if v is None else v for v in values)))
        curves = {title: found.series(name) for name, title in names.items()}
        pictures = {f"step {step}": _picture(found.samples[step]) for step in steps}
        caption = f"Series of a run of {given.steps} steps, and its generated rows along the way."
        figure = figures.stages(curves, pictures)
        return Findings(("step", *names.values()), tuple(rows), figure, caption)

    def _chosen(self, steps: list[int]) -> list[int]:
        count = min(self.stages, len(steps))
        return [steps[i] for i in np.linspace(0, len(steps) - 1, count).round().astype(int)]


def _picture(png: bytes) -> np.ndarray:
    """A PNG file as numbers in [0, 1]."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.float32) / 255
