"""Measures of generated rows, each a function of plain arrays. Layer 2."""

from ganntk.metrics.modes import ModeStatistics, mode_statistics
from ganntk.metrics.nearest import Nearest, nearest

__all__ = ["ModeStatistics", "Nearest", "mode_statistics", "nearest"]
