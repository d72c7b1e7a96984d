"""How the generated rows of several workers belong together: values only. Layer 5."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from ganntk.errors import InputError
from ganntk.generators.network import Network
from ganntk.generators.transposed import Transposed
from ganntk.registry import Registered

Exchange: TypeAlias = Literal["auto", "rows", "vectors"]


class Coupling(Registered):
    """Which rows share a Gram matrix."""

    kind: ClassVar[str] = "coupling"
    package: ClassVar[str] = "ganntk.coupling"
    default_name: ClassVar[str | None] = "exact"
    _registry: ClassVar[dict[str, type]] = {}


@Coupling.register("exact")
@dataclass(frozen=True)
class Exact(Coupling):
    """One Gram matrix over the rows of all workers: the same result on any number of them.

    Attributes:
        exchange: what workers send each other: ``rows`` of the Gram matrix, to the one that
            solves; or ``vectors``, while every row stays with its owner; ``auto`` for what a model
            of the costs expects to be faster.
    """

    exchange: Exchange = "auto"


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
        _check_positive("sets", self.sets)


@Coupling.register("batchwise")
@dataclass(frozen=True)
class Batchwise(Coupling):
    """Small random sets of real and generated rows share a Gram matrix (Eq. 5).

    For many real images, and for more generated ones than a Gram matrix can hold. A step shuffles
    the generated rows of a set into batches, draws real rows for each, and moves every row once.
    Sets are dealt out to the workers; nothing is exchanged.

    Attributes:
        batch: rows of a Gram matrix, half of them real; even.
        sets: how many sets of ``points.count`` rows, at least one for every worker.
    """

    batch: int = 256
    sets: int = 1

    def __post_init__(self) -> None:
        _check_positive("sets", self.sets)
        _check_even(self.batch)


@Coupling.register("generator")
@dataclass(frozen=True)
class Generator(Coupling):
    """Rows are made by a network from random codes, and its weights are what moves (Eq. 6).

    Batches are dealt out to the workers; their gradients are averaged, in an order that does not
    depend on the number of workers. ``points.count`` is how many rows are made for pictures and at
    the end; ``points.start`` has no effect.

    Attributes:
        network: the generator's architecture.
        batch: rows of a Gram matrix, half of them real; even. The paper: 128 for digits, 64 and 32
            for larger images.
        batches: how many make a step, at least one for every worker.
    """

    network: Network = field(default_factory=Transposed)
    batch: int = 128
    batches: int = 1

    def __post_init__(self) -> None:
        _check_positive("batches", self.batches)
        _check_even(self.batch)


def sets_of(coupling: Coupling) -> int:
    """How many sets of ``points.count`` rows a coupling makes."""
    return coupling.sets if isinstance(coupling, Independent | Batchwise) else 1


def parts_of(coupling: Coupling) -> int | None:
    """The number of parts that are dealt out to workers; None where rows are."""
    if isinstance(coupling, Generator):
        return coupling.batches
    return sets_of(coupling) if isinstance(coupling, Independent | Batchwise) else None


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise InputError(f"coupling.{name} is {value}: expected at least 1")


def _check_even(batch: int) -> None:
    if batch < 2 or batch % 2:
        raise InputError(
            f"coupling.batch is {batch}: expected an even number, half real and half generated rows"
        )
