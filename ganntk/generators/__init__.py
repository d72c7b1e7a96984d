"""What the gradient moves: points in pixel space."""

from ganntk.generators.points import Points

__all__ = ["Points"]
