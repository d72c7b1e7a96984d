"""The handwritten digits that scikit-learn carries along: no download, no file. Layer 2."""

from dataclasses import dataclass

import numpy as np

from ganntk.data.base import Source
from ganntk.data.contents import Contents, in_memory
from ganntk.data.stored import Stored

_GREY_LEVELS = 16


@Source.register("digits")
@dataclass(frozen=True)
class Digits(Stored):
    """1,797 real handwritten digits, 8 x 8 pixels, one channel, 17 grey levels."""

    def contents(self) -> Contents:
        """Read the digits."""
        # scikit-learn takes a second to import, and other sources do not need it.
        from sklearn.datasets import load_digits

        images, labels = (np.asarray(part) for part in load_digits(return_X_y=True))
        rows = images.reshape(-1, 8, 8, 1) / _GREY_LEVELS
        terms = "UCI ML Repository, optical recognition of handwritten digits: CC BY 4.0"
        take = in_memory(rows, "digits")
        return Contents("digits", len(rows), take, labels.astype(np.int64), terms=terms)
