"""Objectives: what the generated rows ask of the discriminator's predictions."""

from ganntk.objectives.base import LossAndSlope, Objective, Starts
from ganntk.objectives.cross_entropy import CrossEntropy
from ganntk.objectives.squared_error import SquaredError

__all__ = ["CrossEntropy", "LossAndSlope", "Objective", "SquaredError", "Starts"]
