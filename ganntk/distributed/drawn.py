"""The real rows that a step draws its batches from: all, or those whose turn it is. Layer 6."""

from concurrent.futures import Future, ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np

from ganntk.data import Source
from ganntk.typing import Rows


class DrawnFrom:
    """Real rows on the device; the next ones are read while steps are taken.

    Args:
        source: of the rows.
        rows: those of the first steps.
        precision: of the kernel.
    """

    def __init__(self, source: Source, rows: np.ndarray | Rows, precision: str) -> None:
        self._source, self._precision = source, precision
        self._rows = jnp.asarray(rows, precision)
        self._first = 0  # of the steps that draw from them
        self._reader = ThreadPoolExecutor(1)
        self._ahead: tuple[int, Future[np.ndarray]] | None = None

    def at(self, step: int) -> Rows:
        """The rows of a step."""
        until = self._source.rows_until(step)
        if until is None:
            return self._rows
        first = self._first_of(step)
        if first != self._first:
            self._rows = jnp.asarray(self._read(first), self._precision)
            self._first = first
        self._read_ahead(step + until)
        return self._rows

    def _first_of(self, step: int) -> int:
        """The first step with the rows of this one."""
        length = self._source.rows_until(0) or 1
        return step - step % length

    def _read(self, first: int) -> np.ndarray:
        if self._ahead is not None and self._ahead[0] == first:
            return self._ahead[1].result()
        return self._source.rows_at(first)

    def _read_ahead(self, first: int) -> None:
        if self._ahead is None or self._ahead[0] != first:
            self._ahead = first, self._reader.submit(self._source.rows_at, first)
