"""The pixels themselves, or the coordinates of points. Layer 2."""

from dataclasses import dataclass

import numpy as np

from ganntk.features.base import Extractor

MOST_NUMBERS = 1024
"""Of a row of an image: covariances of 12,288 numbers, 64 x 64 x 3, take gigabytes and hours."""


@Extractor.register("pixels")
@dataclass(frozen=True)
class Pixels(Extractor):
    """Rows as they are, flattened; images of more than 1,024 numbers as means of 2 x 2, or 4 x 4...

    A last odd row or column is left out of the means.
    """

    @property
    def name(self) -> str:
        return "pixels"

    def extract(self, rows: np.ndarray) -> np.ndarray:
        shown = np.asarray(rows, np.float32)
        while shown.ndim == 4 and shown[0].size > MOST_NUMBERS and min(shown.shape[1:3]) > 1:
            shown = _halved(shown)
        return shown.reshape(len(shown), -1)


def _halved(images: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels."""
    count, height, width, channels = images.shape
    even = images[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(count, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
