"""The pixels themselves, or the coordinates of points. Layer 2."""

from dataclasses import dataclass

import numpy as np

from ganntk.features.base import Extractor


@Extractor.register("pixels")
@dataclass(frozen=True)
class Pixels(Extractor):
    """Rows as they are, flattened."""

    @property
    def name(self) -> str:
        return "pixels"

    def extract(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(rows, np.float32).reshape(len(rows), -1)
