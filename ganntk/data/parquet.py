"""Images in Parquet files: what is needed of them is read, by row groups. Layer 2."""

import bisect
import itertools
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Bool, Int64

from ganntk import storage
from ganntk.data.base import Source
from ganntk.data.cells import Layout, files_in, is_encoded, layout_of, numbers_in
from ganntk.data.contents import Contents, Images
from ganntk.data.pictures import decode
from ganntk.data.rows import check_labels
from ganntk.data.shaping import Shaped
from ganntk.data.stored import Stored
from ganntk.errors import InputError

MANIFEST = "_dataset.json"
"""What a conversion writes beside its parts: first that it has begun, last that it is complete."""

_THREADS = 4
_DECODERS = 8


@Source.register("parquet")
@dataclass(frozen=True)
class Parquet(Stored):
    """Rows of a Parquet file, or of all those below a folder, in the order of their names.

    Images are picture files (also in the layout of Hugging Face), tensors, or lists of numbers:
    `ganntk.data.cells` has the list. Columns that say yes or no are attributes.

    Attributes:
        uri: the file or folder.
        image_column: None looks for ``image``, ``img`` or the only column that can hold images.
        label_column: numbers or words; None takes ``label`` or ``labels`` where there is one.
    """

    uri: str | None = None
    image_column: str | None = None
    label_column: str | None = None

    def contents(self) -> Contents:
        """Read the footers, and the column of classes."""
        if self.uri is None:
            raise InputError("the data source parquet has no uri: give a file or a folder of them")
        table = _Table.open(self.uri, image=self.image_column, label=self.label_column)
        labels, names = table.classes()
        return Contents(
            posixpath.basename(self.uri.rstrip("/")).removesuffix(".parquet") or self.uri,
            table.count,
            table.take,
            labels,
            class_names=names,
            attributes=_Attributes(table),
            files=_Files(table),
            terms=table.layout.terms,
        )


@dataclass(frozen=True)
class _Group:
    """A row group, and the number of its first row among those of all files."""

    uri: str
    number: int
    first: int
    count: int


@dataclass(frozen=True)
class _Table:
    """All row groups of a set, and how their columns are read."""

    uri: str
    schema: pa.Schema
    layout: Layout
    groups: tuple[_Group, ...]
    footers: Mapping[str, pq.FileMetaData]

    @classmethod
    def open(cls, uri: str, *, image: str | None, label: str | None) -> "_Table":
        """Read the footers of all files, which must have the same columns."""
        uris = _parts(uri)
        with ThreadPoolExecutor(_DECODERS) as threads:
            footers = list(threads.map(storage.read_footer, uris))
        schema, groups, first = footers[0][0], [], 0
        for one, (own, meta) in zip(uris, footers, strict=True):
            if own.names != schema.names or own.types != schema.types:
                raise InputError(
                    f"{one} has other columns than {uris[0]}: keep one set in a folder"
                )
            for number in range(meta.num_row_groups):
                count = meta.row_group(number).num_rows
                groups.append(_Group(one, number, first, count))
                first += count
        layout = layout_of(schema, name=uris[0], image=image, label=label)
        filled = tuple(group for group in groups if group.count)
        metadata = {one: meta for one, (_, meta) in zip(uris, footers, strict=True)}
        return cls(uri, schema, layout, filled, metadata)

    @property
    def count(self) -> int:
        return self.groups[-1].first + self.groups[-1].count if self.groups else 0

    def column(self, name: str) -> pa.Array:
        """A column of all rows."""
        by_file = itertools.groupby(self.groups, key=lambda group: group.uri)
        tables = [
            self._read(uri, [group.number for group in groups], name) for uri, groups in by_file
        ]
        return pa.concat_tables(tables)[name].combine_chunks()

    def classes(self) -> tuple[Int64[np.ndarray, " rows"] | None, Mapping[int, str]]:
        """The label of each row and the names of labels, where there are any."""
        name = self.layout.label
        if name is None or not self.count:
            return None, {}
        column = self.column(name)
        if column.null_count:
            raise InputError(f"{column.null_count} rows of {self.uri} have no {name}: remove them")
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            words, labels = np.unique(np.asarray(column.to_pylist()), return_inverse=True)
            return labels.astype(np.int64), dict(enumerate(words.tolist()))
        values = column.to_numpy(zero_copy_only=False)
        return check_labels(values, self.count, name=f"{self.uri}, column {name},"), (
            self.layout.class_names
        )

    def take(self, kept: Int64[np.ndarray, " kept"], shape: Shaped) -> Images:
        """Read the row groups that hold some rows, several at once."""
        asked = list(self._by_group(kept))
        with ThreadPoolExecutor(_THREADS) as threads:
            parts = threads.map(lambda one: self._of_group(one[0], one[2], shape), asked)
            images: list[np.ndarray | None] = [None] * len(kept)
            for (_, places, _), part in zip(asked, parts, strict=True):
                for place, image in zip(places.tolist(), part, strict=True):
                    images[place] = image
        return [image for image in images if image is not None]

    def _read(self, uri: str, groups: list[int], name: str) -> pa.Table:
        return storage.read_row_groups(uri, groups, [name], footer=self.footers[uri])

    def _by_group(self, kept: np.ndarray) -> Iterator[tuple[_Group, np.ndarray, np.ndarray]]:
        """Groups with the places of their rows in the answer, and the rows' places in them."""
        firsts = np.array([group.first for group in self.groups])
        of = np.searchsorted(firsts, kept, side="right") - 1
        for number in np.unique(of):
            places = np.flatnonzero(of == number)
            group = self.groups[number]
            yield group, places, kept[places] - group.first

    def _of_group(self, group: _Group, rows: np.ndarray, shape: Shaped) -> Images:
        """Some images of one row group."""
        name = self.layout.image
        column = self._read(group.uri, [group.number], name)[name].combine_chunks()
        titles = [f"row {group.first + row} of {self.uri}" for row in rows]
        if is_encoded(column.type):
            cells = files_in(column.take(pa.array(rows)), name=f"{group.uri}, column {name},")
            with ThreadPoolExecutor(_DECODERS) as threads:
                return list(
                    threads.map(
                        lambda cell, title: shape.shaped(decode(cell, name=title), title),
                        cells,
                        titles,
                    )
                )
        # A copy of these rows: a view would keep the whole group in memory.
        images = numbers_in(column, self.layout, name=f"{group.uri}, column {name},")[rows]
        if shape.keeps_all:
            return images
        return [shape.shaped(image, title) for image, title in zip(images, titles, strict=True)]


class _Attributes(Mapping[str, Bool[np.ndarray, " rows"]]):
    """Columns that say yes or no, each read when it is asked for."""

    def __init__(self, table: _Table) -> None:
        self._table = table

    def __getitem__(self, name: str) -> Bool[np.ndarray, " rows"]:
        if name not in self._table.layout.attributes:
            raise KeyError(name)
        return self._table.column(name).fill_null(False).to_numpy(zero_copy_only=False)

    def __contains__(self, name: object) -> bool:
        return name in self._table.layout.attributes

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.layout.attributes)

    def __len__(self) -> int:
        return len(self._table.layout.attributes)


class _Files(Sequence[str]):
    """What rows are called: the file that each was made of, where the set says so."""

    def __init__(self, table: _Table) -> None:
        self._table = table

    @cached_property
    def _firsts(self) -> list[int]:
        return [group.first for group in self._table.groups]

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        group = self._table.groups[bisect.bisect_right(self._firsts, index) - 1]
        return f"row {index - group.first} in row group {group.number} of {group.uri}"

    def __len__(self) -> int:
        return self._table.count


def _parts(uri: str) -> list[str]:
    """The Parquet files at an address."""
    found = storage.list_files(uri)
    if found == [uri]:
        return found
    root = len(uri.rstrip("/")) + 1
    parts = [
        one for one in found if one.endswith((".parquet", ".pq")) and "/." not in f"/{one[root:]}"
    ]
    _check_manifest(uri, [one[root:] for one in parts], storage.join(uri, MANIFEST) in found)
    if not parts:
        raise InputError(f"there are no Parquet files at {uri}: check the address")
    return parts


def _check_manifest(uri: str, parts: list[str], has_one: bool) -> None:
    """Refuse a conversion that was cut off, or that has lost some of its files."""
    if not has_one:
        return
    try:
        manifest = json.loads(storage.read_text(storage.join(uri, MANIFEST)))
        state, written = manifest["state"], manifest.get("parts", [])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{MANIFEST} in {uri} is damaged: convert the data again") from error
    if state != "complete":
        raise InputError(f"the conversion to {uri} was cut off: convert the data again")
    if missing := sorted(set(written) - set(parts)):
        raise InputError(
            f"{uri} lacks {len(missing)} of its {len(written)} files, the first is {missing[0]}: "
            "copy it again"
        )
