"""Sources of rows that exist somewhere: what all of them can choose and shape. Layer 2."""

import abc
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from ganntk.data.attributes import fitting
from ganntk.data.base import Dataset, Source, make_dataset
from ganntk.data.contents import Contents
from ganntk.data.rows import select_rows
from ganntk.data.shaping import Shaped, stacked
from ganntk.errors import InputError


@dataclass(frozen=True)
class Stored(Shaped, Source):
    """A source that says what it holds; rows are then filtered, shuffled, taken and shaped.

    Attributes:
        size: how many rows to keep; None keeps all.
        seed: which rows, and in which order.
        classes: which classes to keep, by name or number; None keeps all.
        where: which rows to keep by their attributes, such as ``Male & ~Bald``; None keeps all.
    """

    size: int | None = None
    seed: int = 0
    classes: tuple[int | str, ...] | None = None
    where: str | None = None

    @abc.abstractmethod
    def contents(self) -> Contents:
        """Look at what there is, and decode none of it.

        Raises:
            InputError: there is nothing, or it cannot be read.
        """

    def load(self) -> Dataset:
        """Choose rows, read and shape them."""
        found = self.contents()
        kept = self.chosen(found)
        images = found.take(kept, self)
        rows = stacked(images, [found.name_of(i) for i in kept])
        labels = None if found.labels is None else found.labels[kept]
        return make_dataset(self, rows, labels, name=found.name)

    def chosen(self, found: Contents, *, in_order: bool = False) -> Int64[np.ndarray, " kept"]:
        """Indices of the rows that are kept.

        Args:
            found: what there is.
            in_order: as they are stored, where all that fit are kept; otherwise shuffled.

        Raises:
            InputError: no row fits, or fewer than are asked for.
        """
        if found.count == 0:
            raise InputError(f"{found.name} holds no rows: check the address")
        mask = None
        if self.where is not None:
            mask = fitting(self.where, found.attributes)
            if not mask.any():
                raise InputError(
                    f"no row of {found.count} of {self._named(found)} fits {self.where!r}: ask for "
                    "less in where"
                )
        classes = None if self.classes is None else found.labels_of(self.classes)
        try:
            kept = select_rows(
                found.count,
                found.labels,
                size=self.size,
                seed=self.seed,
                classes=classes,
                mask=mask,
            )
        except InputError as error:
            raise InputError(f"{self._named(found)}: {error}") from error
        return np.sort(kept) if in_order and self.size is None else kept

    def _named(self, found: Contents) -> str:
        """What the rows are called, and where they are."""
        uri = getattr(self, "uri", None)
        return f"{found.name} at {uri}" if uri else found.name
