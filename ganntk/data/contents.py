"""What a source holds, before any of it is chosen, decoded or shaped. Layer 2."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int64

from ganntk import storage
from ganntk.data.pictures import decode
from ganntk.data.shaping import Shaped
from ganntk.errors import InputError

Images = Sequence[np.ndarray] | np.ndarray
Take = Callable[[Int64[np.ndarray, " kept"], Shaped], Images]

# Decoding runs outside the interpreter's lock; reading from a store waits for the network.
_THREADS = min(32, 4 * (os.cpu_count() or 1))


@dataclass(frozen=True)
class Contents:
    """The numbered rows of a source, and what is known of each.

    Attributes:
        name: what a report calls the data.
        count: how many rows there are.
        take: reads and shapes the rows of some indices, in their order: bytes, or numbers in
            [0, 1].
        labels: the class of each row, or None.
        class_names: names of classes by their label, where they have any.
        aliases: other names of classes, such as ids, and their labels.
        attributes: what holds for each row, by name.
        files: where each row comes from; empty where rows have no file of their own.
        terms: under which terms the data may be used, as far as the source knows.
    """

    name: str
    count: int
    take: Take
    labels: Int64[np.ndarray, " rows"] | None = None
    class_names: Mapping[int, str] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    attributes: Mapping[str, Bool[np.ndarray, " rows"]] = field(default_factory=dict)
    files: Sequence[str] = ()
    terms: str = ""

    def name_of(self, index: int) -> str:
        """What a message calls a row: its file, or its number."""
        return self.files[index] if len(self.files) else f"row {index} of {self.name}"

    def labels_of(self, classes: Sequence[int | str]) -> list[int]:
        """The labels of classes that are given by name or number.

        Raises:
            InputError: no class has that name.
        """
        by_name = {**self.aliases, **{name: label for label, name in self.class_names.items()}}
        return [self._label(wanted, by_name) for wanted in classes]

    def _label(self, wanted: int | str, by_name: Mapping[str, int]) -> int:
        if str(wanted) in by_name:
            return by_name[str(wanted)]
        if str(wanted).isdigit():
            # YAML reads the folder name 007 as a number.
            same = [label for name, label in by_name.items() if _is_number(name, int(wanted))]
            return same[0] if len(same) == 1 else int(wanted)
        known = ", ".join(list(by_name)[:20]) or "numbers: they have no names here"
        raise InputError(f"there is no class {wanted!r}: choose among {known}")


def in_memory(rows: np.ndarray, name: str) -> Take:
    """How rows of an array are taken."""

    def take(kept: Int64[np.ndarray, " kept"], shape: Shaped) -> Images:
        if shape.keeps_all:
            return rows[kept]
        return [shape.shaped(rows[i], f"row {i} of {name}") for i in kept]

    return take


def in_files(uris: Sequence[str]) -> Take:
    """How pictures are taken that are a file each; several are read and decoded at once."""

    def take(kept: Int64[np.ndarray, " kept"], shape: Shaped) -> Images:
        def one(index: int) -> np.ndarray:
            uri = uris[index]
            return shape.shaped(decode(storage.read_bytes(uri), name=uri), uri)

        with ThreadPoolExecutor(_THREADS) as threads:
            return list(threads.map(one, kept.tolist()))

    return take


def _is_number(name: str, wanted: int) -> bool:
    return name.isdigit() and int(name) == wanted
