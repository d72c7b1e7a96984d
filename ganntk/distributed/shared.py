"""Values that several runs on one cluster have in common, computed by one of them. Layer 6.

Real rows, their Gram matrix and the spectrum at the first points depend on parts of the
configuration only. A run asks for them by a key made of these parts, and says how to compute them.
"""

from collections.abc import Callable
from typing import TypeVar

from ganntk import config as configuration
from ganntk.config import RunConfig

T = TypeVar("T")

_GRAM = ("data", "kernel", "precision")
_START = (*_GRAM, "seed", "points", "diagonal", "solver")


class Shared:
    """Somewhere that values are kept by key; here nowhere: each run computes its own."""

    def value(self, key: str, make: Callable[[], T]) -> T:
        """The value of a key, made where nobody has made it yet.

        Args:
            key: the same for the same value only.
            make: gives the value: NumPy arrays, which may come back read-only.
        """
        return make()


ALONE = Shared()
"""Of a run without others."""


def data_key(config: RunConfig) -> str:
    """Of the real rows."""
    return "data-" + configuration.fingerprint_of(config, ("data",))


def gram_key(config: RunConfig, part: str = "") -> str:
    """Of the Gram matrix of real rows, or of a part of it."""
    return f"gram{part}-" + configuration.fingerprint_of(config, _GRAM)


def start_key(config: RunConfig, member: int) -> str:
    """Of the spectrum at the first points of a set: lam is no part of it."""
    return f"start{member}-" + configuration.fingerprint_of(config, _START)
