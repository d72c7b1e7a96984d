"""How the generated rows of several workers belong together: values only. Layer 5."""

from dataclasses import dataclass
from typing import ClassVar

from ganntk.errors import InputError
from ganntk.registry import Registered


class Coupling(Registered):
    """Which rows share a Gram matrix."""

    kind: ClassVar[str] = "coupling"
    package: ClassVar[str] = "ganntk.coupling"
    default_name: ClassVar[str | None] = "exact"
    _registry: ClassVar[dict[str, type]] = {}


@Coupling.register("exact")
@dataclass(frozen=True)
class Exact(Coupling):
    """One Gram matrix over the rows of all workers: the same result on any number of them."""


@Coupling.register("independent")
@dataclass(frozen=True)
class Independent(Coupling):
    """Several sets of rows, each with a Gram matrix and a start of its own; nothing is exchanged.

    For many images from few: a set is as large as one Gram matrix can be, and sets are dealt out to
    the workers. Set 0 is the run of `exact` with the same seed.

    Attributes:
        sets: how many, at least one; each has ``points.count`` rows.
    """

    sets: int = 1

    def __post_init__(self) -> None:
        if self.sets < 1:
            raise InputError(f"coupling.sets is {self.sets}: expected at least 1")
