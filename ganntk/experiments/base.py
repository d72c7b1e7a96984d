"""What an experiment is: a measurement, and what it finds. Layer 7."""

import abc
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from ganntk.config import RunConfig
from ganntk.distributed.driver import Progress
from ganntk.registry import Registered

Cell: TypeAlias = str | int | float


@dataclass(frozen=True)
class Findings:
    """What an experiment found.

    Attributes:
        columns: the names of the table's columns.
        rows: a cell for each column.
        figure: a PNG file.
        caption: what it shows, in a sentence.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    figure: bytes
    caption: str


class Experiment(Registered, abc.ABC):
    """A measurement of one or several runs.

    Adding one is adding a file to `ganntk.experiments` with a frozen dataclass that registers
    itself; its fields are the options of a plan.
    """

    kind: ClassVar[str] = "experiment"
    package: ClassVar[str] = "ganntk.experiments"
    default_name: ClassVar[str | None] = None
    _registry: ClassVar[dict[str, type]] = {}

    @abc.abstractmethod
    def measure(self, given: RunConfig, folder: str, progress: Progress) -> Findings:
        """Carry it out.

        Args:
            given: the run that the experiment varies.
            folder: where runs and files go, on any storage.
            progress: told about phases and steps.
        """
