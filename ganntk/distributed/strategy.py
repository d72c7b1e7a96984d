"""What the driver asks of the workers, whatever the coupling. Layer 6."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ganntk.config import RunConfig
from ganntk.coupling import Exchange
from ganntk.distributed.group import WorkerGroup
from ganntk.distributed.worker import Finished, Prepared
from ganntk.errors import InputError
from ganntk.synthesis import StepReport


class Strategy(abc.ABC):
    """A coupling on a group of workers.

    Attributes:
        worker: what works on each device.
        exchange: what travels in the exact coupling, once that is chosen.

    Args:
        group: the workers.
        config: the run.
        data_fingerprint: of the real rows that all of them are to find; None: of the first ones.
    """

    worker: type
    exchange: Exchange | None = None

    def __init__(
        self, group: WorkerGroup, config: RunConfig, data_fingerprint: str | None = None
    ) -> None:
        self._group, self._config = group, config
        self._data_fingerprint = data_fingerprint

    @abc.abstractmethod
    def prepare(self) -> Prepared:
        """Load the data on every worker, draw the first points, choose lam."""

    def loaded(self) -> Prepared:
        """Let every worker load the data; what the first one found.

        Raises:
            InputError: they did not all find the same rows.
        """
        return self._load(range(self._group.size))[0]

    def load_again(self, new_ranks: Sequence[int]) -> None:
        """Let workers that took the place of others load the data.

        Raises:
            InputError: they find other rows than those before them.
        """
        self._load(new_ranks)

    def _load(self, ranks: Sequence[int]) -> list[Prepared]:
        found = self._group.get([self._group.submit(rank, "prepare") for rank in ranks])
        for rank, one in zip(ranks, found, strict=True):
            self._data_fingerprint = self._data_fingerprint or one.data_fingerprint
            if one.data_fingerprint != self._data_fingerprint:
                raise InputError(
                    f"worker {rank} found other real rows in {one.data_name} than the first worker "
                    f"(they have the fingerprints {one.data_fingerprint} and "
                    f"{self._data_fingerprint}): each node must have the same files, best in an "
                    "object store"
                )
        return found

    @abc.abstractmethod
    def advance(self, first: int, steps: int) -> StepReport:
        """Take a block of steps, of which `first` were taken before; reports as arrays over it."""

    @abc.abstractmethod
    def points(self) -> np.ndarray:
        """All generated rows as they are, float32."""

    @abc.abstractmethod
    def snapshot(self) -> Any:
        """Everything that changes, on the driver: NumPy arrays that know nothing of workers."""

    @abc.abstractmethod
    def restore(self, snapshot: Any, new_ranks: tuple[int, ...]) -> None:
        """Go on from a snapshot, with some workers that know nothing yet."""

    def d_elsewhere(self, others: np.ndarray) -> float | None:
        """Mean D at rows that the run does not learn from; None where it has no single one."""
        return None

    @abc.abstractmethod
    def finish(self) -> Finished:
        """Look at all generated rows once more."""


def each(reports: Sequence[StepReport], join: Callable[[Any], Any]) -> StepReport:
    """One report of several, series by series."""
    return StepReport(*map(join, zip(*reports, strict=True)))


def level_values(report: StepReport) -> list[dict[str, float]]:
    """What the last step of a block says of each level; of one that counts not yet its weight."""
    found: list[dict[str, float]] = []
    series = (report.level_loss, report.level_lam, report.level_weight)
    for loss, lam, weight in zip(*(each[-1] for each in series), strict=True):
        known = {"level_loss": float(loss), "level_lam": float(lam)} if weight > 0 else {}
        found.append({**known, "level_weight": float(weight)})
    return found


def together(parts: Sequence[Finished]) -> Finished:
    """The rows of several parts as those of one; the loss and lam are their means."""
    return Finished(
        points=np.concatenate([part.points for part in parts]),
        d=np.concatenate([part.d for part in parts]),
        nearest_real=np.concatenate([part.nearest_real for part in parts]),
        nearest_distance=np.concatenate([part.nearest_distance for part in parts]),
        nearest_ssim=np.concatenate([part.nearest_ssim for part in parts]),
        worker=np.concatenate([part.worker for part in parts]),
        loss=float(np.mean([part.loss for part in parts])),
        lam=float(np.mean([part.lam for part in parts])),
    )
