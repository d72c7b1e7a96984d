"""Data sources: from a URI or a formula to float32 rows in [0, 1]. Layer 2.

A new source is one file in this package that registers a frozen dataclass with `Source.register`.
"""

from ganntk.data.base import Dataset, Source, make_dataset
from ganntk.data.mixture import Mixture, Modes, mixture_modes
from ganntk.data.rows import check_rows, select_rows

__all__ = [
    "Dataset",
    "Mixture",
    "Modes",
    "Source",
    "check_rows",
    "make_dataset",
    "mixture_modes",
    "select_rows",
]
