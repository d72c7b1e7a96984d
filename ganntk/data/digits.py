"""The handwritten digits that scikit-learn carries along: no download, no file. Layer 2."""

from dataclasses import dataclass

import numpy as np

from ganntk.data.base import Dataset, Source, make_dataset
from ganntk.data.rows import select_rows

_GREY_LEVELS = 16


@Source.register("digits")
@dataclass(frozen=True)
class Digits(Source):
    """1,797 real handwritten digits, 8 x 8 pixels, one channel, 17 grey levels.

    Attributes:
        size: how many rows to keep; None keeps all.
        seed: which rows, and in which order.
        classes: which digits; None takes all ten.
    """

    size: int | None = None
    seed: int = 0
    classes: tuple[int, ...] | None = None

    def load(self) -> Dataset:
        """Read and select the digits."""
        # scikit-learn takes a second to import, and other sources do not need it.
        from sklearn.datasets import load_digits

        images, labels = (np.asarray(part) for part in load_digits(return_X_y=True))
        kept = select_rows(
            len(images), labels, size=self.size, seed=self.seed, classes=self.classes
        )
        rows = images[kept].reshape(-1, 8, 8, 1) / _GREY_LEVELS
        return make_dataset(self, rows, labels[kept], name="digits")
