"""Measures of generated rows: plain functions of arrays, and of states that merge. Layer 2.

A measure over many rows is a module with four functions, `init`, `update`, `merge` and `compute`,
over a named tuple of arrays: shards of rows are updated where they are, and their states merged.
`between` does it all for rows that are in one place.

>>> from ganntk.metrics import frechet
>>> frechet.between([[0.0], [2.0]], [[3.0], [5.0]])
9.0
"""

from ganntk.metrics import (
    frechet,
    intervals,
    kernel_distance,
    manifold,
    memorisation,
    modes,
    structural,
    transport,
)
from ganntk.metrics.modes import ModeStatistics, mode_statistics
from ganntk.metrics.nearest import Nearest, nearest

__all__ = [
    "ModeStatistics",
    "Nearest",
    "frechet",
    "intervals",
    "kernel_distance",
    "manifold",
    "memorisation",
    "mode_statistics",
    "modes",
    "nearest",
    "structural",
    "transport",
]
