"""A set that does not fit into memory: some of its rows at a time. Layer 2."""

import functools
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int64

from ganntk.data.base import Dataset, Source, make_dataset
from ganntk.data.contents import Contents
from ganntk.data.digits import Digits
from ganntk.data.given import stored
from ganntk.data.rows import check_rows
from ganntk.data.shaping import stacked
from ganntk.errors import InputError


@Source.register("sampled")
@dataclass(frozen=True)
class Sampled(Source):
    """Rows of another source, others after every so many steps, for runs that draw batches.

    Which rows these are depends on the seed and the step alone. Neighbours are taken together, in
    chunks, so that few row groups of Parquet are read; no row comes twice before all chunks have
    had their turn. Of the source's own `size` and order nothing is asked, of its filters all.

    Attributes:
        of: the source: Parquet, or any that says what it holds without reading it.
        rows: so many are in memory at once.
        steps: until the next ones are.
        chunk: rows that are read together.
        draw_seed: which chunks, and in which order.
    """

    of: Source = field(default_factory=Digits)
    rows: int = 4096
    steps: int = 100
    chunk: int = 256
    draw_seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("rows", 2), ("steps", 1), ("chunk", 1), ("draw_seed", 0)):
            if (value := getattr(self, name)) < least:
                raise InputError(f"data.{name} is {value}: expected at least {least}")

    def load(self) -> Dataset:
        """The rows of the first steps."""
        found, _ = _looked_at(self.of)
        kept = self._kept(0)
        labels = None if found.labels is None else found.labels[kept]
        return make_dataset(self, self._read(kept), labels, name=f"samples of {found.name}")

    def rows_until(self, step: int) -> int:
        """Steps until the next rows are drawn from."""
        return self.steps - step % self.steps

    def rows_at(self, step: int) -> Float32[np.ndarray, "rows ..."]:
        """The rows that a step draws its batches from."""
        return check_rows(self._read(self._kept(step // self.steps)))

    def _kept(self, turn: int) -> Int64[np.ndarray, " rows"]:
        """Indices of the rows of one turn, in the order of the source."""
        _, candidates = _looked_at(self.of)
        if self.rows > len(candidates):
            raise InputError(
                f"data.rows is {self.rows} and {len(candidates)} rows fit: give fewer, or take the "
                "source itself"
            )
        turns = len(candidates) // self.rows
        epoch, turn = divmod(turn, turns)
        starts = np.arange(0, len(candidates), self.chunk)
        order = np.random.default_rng([self.draw_seed, epoch]).permutation(starts)
        chunks = [candidates[start : start + self.chunk] for start in order]
        return np.sort(np.concatenate(chunks)[turn * self.rows : (turn + 1) * self.rows])

    def _read(self, kept: np.ndarray) -> np.ndarray:
        found, _ = _looked_at(self.of)
        images = found.take(kept, stored(self.of))
        return stacked(images, [found.name_of(i) for i in kept])


@functools.lru_cache(maxsize=4)
def _looked_at(source: Source) -> tuple[Contents, Int64[np.ndarray, " rows"]]:
    """What a source holds and which of it may be taken, in order; looked at once in a process."""
    one = stored(source)
    found = one.contents()
    return found, np.sort(one.chosen(found))
