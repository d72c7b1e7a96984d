"""What a data source is, and what it gives. Layer 2."""

import abc
import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float32, Int64

from ganntk.data.rows import check_rows
from ganntk.registry import Registered


@dataclass(frozen=True, eq=False)
class Dataset:
    """Real rows, ready for a kernel.

    Attributes:
        rows: images of shape (n, h, w, c), or points of shape (n, d), in [0, 1], read-only.
        labels: the class of each row, or None where the source knows no classes.
        name: what a report calls the data.
        fingerprint: SHA-256 of rows, labels and the source's options, in hexadecimal digits.
        originals: the rows that these were made from, or None where they are no others.
    """

    rows: Float32[np.ndarray, "rows ..."]
    labels: Int64[np.ndarray, " rows"] | None
    name: str
    fingerprint: str
    originals: Float32[np.ndarray, "originals ..."] | None = None

    @property
    def training(self) -> Float32[np.ndarray, "originals ..."]:
        """What a generated row must not copy: the rows that a person gave."""
        return self.rows if self.originals is None else self.originals


class Source(Registered, abc.ABC):
    """A place that rows come from: a frozen dataclass of plain fields with one method."""

    kind: ClassVar[str] = "data source"
    package: ClassVar[str] = "ganntk.data"
    default_name: ClassVar[str | None] = "digits"
    _registry: ClassVar[dict[str, type]] = {}

    @abc.abstractmethod
    def load(self) -> Dataset:
        """Read, select and check the rows.

        The same fields and the same files give the same rows in the same order.

        Raises:
            InputError: the data is missing or cannot be used.
        """

    def rows_until(self, step: int) -> int | None:
        """Steps until other rows are to be drawn from, always at multiples of the same number.

        None for a source that has the same rows at all steps.
        """
        return None

    def rows_at(self, step: int) -> Float32[np.ndarray, "rows ..."]:
        """The rows that a step draws from: as many at all steps."""
        return self.load().rows

    def shown(self, rows: Float32[np.ndarray, "rows ..."]) -> Float32[np.ndarray, "rows ..."]:
        """Rows as a person sees them, for pictures and for what is saved of a run.

        Args:
            rows: like those of `load`, real or generated.
        """
        return rows

    def decoder(self, fingerprint: str) -> Callable[[Any], Any] | None:
        """What `shown` does, as a function of JAX; None where rows are shown as they are.

        Args:
            fingerprint: of the rows of the run whose rows are to be shown.

        Raises:
            InputError: what shows them is not to be had here.
        """
        return None

    def made_shape(self, shown: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a row of `load`, from that of a row that is shown."""
        return shown


def make_dataset(
    source: Source,
    rows: np.ndarray,
    labels: np.ndarray | None,
    *,
    name: str,
    originals: np.ndarray | None = None,
) -> Dataset:
    """Check the rows that a source has selected, and put their fingerprint on them.

    Args:
        source: where they come from; its fields enter the fingerprint, except those that end in
            ``uri``, because data that is moved stays the same data.
        rows: numbers that `check_rows` accepts.
        labels: one integer for each row, or None.
        name: what a report calls the data.
        originals: the rows that these were made from, where they are others.

    Raises:
        InputError: the rows cannot be used.
    """
    # A view: the array of the caller keeps its own flags.
    checked = check_rows(rows).view()
    classes = None if labels is None else np.asarray(labels, np.int64)
    checked.setflags(write=False)
    return Dataset(checked, classes, name, _fingerprint(source, checked, classes), originals)


def _fingerprint(source: Source, rows: np.ndarray, labels: np.ndarray | None) -> str:
    """SHA-256 of the content and the options."""
    fields = {f.name: getattr(source, f.name) for f in dataclasses.fields(source)}  # type: ignore[arg-type]
    # What another source gives is in the rows.
    options = {
        name: value
        for name, value in fields.items()
        if not name.endswith("uri") and not isinstance(value, Source)
    }
    head = {"source": type(source).__name__, "options": options, "shape": rows.shape}
    digest = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    digest.update(rows.astype("<f4", copy=False).tobytes())
    if labels is not None:
        digest.update(labels.astype("<i8", copy=False).tobytes())
    return digest.hexdigest()
