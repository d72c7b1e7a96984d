"""Any source as Parquet files: parts that can be written side by side, a manifest last. Layer 2.

A part holds ``image`` (the numbers of an image as bytes of one length), ``index`` (in the source),
``label``, ``file`` and a column for each attribute, where the source knows them. The metadata of
its schema, key ``ganntk``, is JSON: ``shape``, ``dtype``, ``classes``, ``attributes``, ``terms``
and the ``fingerprint`` of its rows.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int64

from ganntk import storage
from ganntk.data.cells import METADATA
from ganntk.data.contents import Contents, Images
from ganntk.data.parquet import MANIFEST
from ganntk.data.pictures import BrokenPictureError
from ganntk.data.rows import check_rows
from ganntk.data.shaping import stacked
from ganntk.data.stored import Stored
from ganntk.errors import InputError

_PART_BYTES = 64 << 20
_GROUP_BYTES = 4 << 20
_FEWEST_ROWS, _MOST_ROWS = 16, 8192
_SHOWN = 10


@dataclass(frozen=True)
class Broken:
    """A picture that could not be read, and the sentence that says why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Part:
    """What was written of some rows.

    Attributes:
        name: of the file, or None where no row was left.
        rows: how many it holds.
        shape: of a row.
        dtype: of its numbers.
        digests: SHA-256 of each row, one after another.
        broken: what was left out.
    """

    name: str | None
    rows: int
    shape: tuple[int, ...] = ()
    dtype: str = ""
    digests: bytes = b""
    broken: tuple[Broken, ...] = ()


@dataclass(frozen=True)
class Conversion:
    """What is converted, cut into parts; each can be written by another process.

    Attributes:
        source: where the rows come from, and how they are shaped.
        contents: what the source holds.
        uri: the folder that is written.
        parts: for each part the indices of its rows in the source.
        terms: under which terms the data may be used.
    """

    source: Stored
    contents: Contents
    uri: str
    parts: Sequence[Int64[np.ndarray, " rows"]] = field(repr=False)
    terms: str = ""

    @property
    def count(self) -> int:
        """Rows of all parts."""
        return sum(map(len, self.parts))

    def write(self, number: int) -> Part:
        """Read the rows of a part and write its file.

        A broken picture is left out and named in the answer.

        Raises:
            InputError: rows have mixed shapes, or are none that `check_rows` accepts.
        """
        indices = self.parts[number]
        images, kept, broken = _sound(self.contents, indices, self.source)
        if not len(kept):
            return Part(None, 0, broken=broken)
        names = [self.contents.name_of(i) for i in kept]
        rows = _stored(stacked(images, names), names)
        digests = b"".join(hashlib.sha256(row.tobytes()).digest() for row in rows)
        name = f"part-{number:05d}.parquet"
        table = _table(self, rows, kept, digests)
        group = int(np.clip(_GROUP_BYTES // rows[0].nbytes, _FEWEST_ROWS, _MOST_ROWS))
        with storage.open_write(storage.join(self.uri, name)) as stream:
            pq.write_table(table, stream, row_group_size=group, compression="zstd")
        return Part(name, len(rows), rows.shape[1:], rows.dtype.name, digests, broken)


def begin(
    source: Stored, uri: str, *, rows_per_part: int | None = None, terms: str | None = None
) -> Conversion:
    """Look at a source and claim a folder for it.

    Args:
        source: what is converted; all of its options hold. Without a size the rows keep their
            order.
        uri: an empty or new folder, or one with a conversion that was cut off.
        rows_per_part: None makes parts of about 64 MiB.
        terms: under which terms the data may be used; None says what the source knows.

    Raises:
        InputError: the source cannot be read, or the folder holds something else.
    """
    if rows_per_part is not None and rows_per_part < 1:
        raise InputError(f"{rows_per_part} rows a part: give at least 1")
    _check_free(uri)
    contents = source.contents()
    kept = source.chosen(contents, in_order=True)
    each = rows_per_part or _fitting_rows(source, contents, kept)
    parts = [kept[first : first + each] for first in range(0, len(kept), each)]
    storage.make_folder(uri)
    discard(uri)
    _write_manifest(uri, {"state": "converting"})
    known = contents.terms if terms is None else terms
    return Conversion(source, contents, uri, parts, known)


def finish(conversion: Conversion, parts: Sequence[Part], *, skip_broken: bool) -> dict[str, Any]:
    """Check the parts and write the manifest that makes them a set; nothing is left on an error.

    Args:
        conversion: from `begin`.
        parts: what its `write` gave, in the order of their numbers.
        skip_broken: whether broken pictures may be left out.

    Returns:
        The manifest.

    Raises:
        InputError: pictures are broken, or parts have rows of other shapes.
    """
    broken = [one for part in parts for one in part.broken]
    written = [part for part in parts if part.name]
    if broken and not (skip_broken and written):
        raise InputError(_complaint(broken, conversion.count))
    first = written[0]
    for part in written:
        if (part.shape, part.dtype) != (first.shape, first.dtype):
            raise InputError(
                f"the images have mixed shapes ({first.shape} of {first.dtype} in {first.name}, "
                f"{part.shape} of {part.dtype} in {part.name}): give side and colour"
            )
    manifest = {
        "state": "complete",
        "name": conversion.contents.name,
        "rows": sum(part.rows for part in written),
        "parts": [part.name for part in written],
        "skipped": [vars(one) for one in broken],
        **_description(conversion, first.shape, first.dtype),
        "fingerprint": _fingerprint(part.digests for part in written),
    }
    _write_manifest(conversion.uri, manifest)
    return manifest


def convert(
    conversion: Conversion,
    parts: Iterable[Part] | None = None,
    *,
    skip_broken: bool = False,
    on_part: Callable[[Part], None] = lambda _: None,
) -> dict[str, Any]:
    """Write all parts and the manifest; on an error nothing stays behind.

    Args:
        conversion: from `begin`.
        parts: where others write them: their answers, in any order; None writes them here.
        skip_broken: whether broken pictures are left out; otherwise all are named and refused.
        on_part: called after each part.

    Returns:
        The manifest.

    Raises:
        InputError: as `finish`; or a part could not be written.
    """
    found = []
    try:
        for part in _written_here(conversion) if parts is None else parts:
            found.append(part)
            on_part(part)
        ordered = sorted(found, key=lambda part: part.name or "")
        return finish(conversion, ordered, skip_broken=skip_broken)
    except BaseException:
        discard(conversion.uri)
        raise


def discard(uri: str) -> None:
    """Remove what a conversion wrote that did not end; other files stay."""
    for one in storage.list_files(uri):
        name = one.rsplit("/", 1)[-1]
        if name == MANIFEST or (name.startswith("part-") and name.endswith(".parquet")):
            storage.remove(one)
    for one in storage.list_files(uri, cut_off=True):
        if one.rsplit("/", 1)[-1].startswith((".part-", f".{MANIFEST}.")):
            storage.remove(one)


def _written_here(conversion: Conversion) -> Iterable[Part]:
    return (conversion.write(number) for number in range(len(conversion.parts)))


def _sound(
    contents: Contents, indices: Int64[np.ndarray, " rows"], source: Stored
) -> tuple[Images, Int64[np.ndarray, " kept"], tuple[Broken, ...]]:
    """The images that can be read, and those that cannot."""
    try:
        return contents.take(indices, source), indices, ()
    except BrokenPictureError:
        pass  # Which ones: found by reading each alone.
    images, kept, broken = [], [], []
    for index in indices:
        try:
            images += list(contents.take(np.array([index]), source))
            kept.append(index)
        except BrokenPictureError as error:
            broken.append(Broken(contents.name_of(index), str(error)))
    return images, np.array(kept, np.int64), tuple(broken)


def _stored(rows: np.ndarray, names: list[str]) -> np.ndarray:
    """Rows as they are stored: bytes stay bytes, other numbers are float32 in [0, 1]."""
    if rows.dtype == np.uint8 and rows.ndim in (2, 4):
        return np.ascontiguousarray(rows)
    # One row alone is no set, but it may be the last part of one.
    doubled = rows if len(rows) > 1 else np.concatenate([rows, rows])
    return check_rows(doubled, name=f"images from {names[0]} on")[: len(rows)]


def _table(
    conversion: Conversion, rows: np.ndarray, kept: Int64[np.ndarray, " rows"], digests: bytes
) -> pa.Table:
    """The rows and what is known of each."""
    contents, count = conversion.contents, len(rows)
    kind = pa.binary(rows[0].nbytes)
    little = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))
    cells = pa.Array.from_buffers(kind, count, [None, pa.py_buffer(little.tobytes())])
    columns: dict[str, Any] = {"image": cells, "index": pa.array(kept)}
    if contents.labels is not None:
        columns["label"] = contents.labels[kept]
    if len(contents.files):
        columns["file"] = [contents.files[int(i)].rsplit("/", 1)[-1] for i in kept]
    columns |= {name: contents.attributes[name][kept] for name in contents.attributes}
    description = _description(conversion, rows.shape[1:], rows.dtype.name)
    description["fingerprint"] = _fingerprint([digests])
    metadata = {METADATA: json.dumps(description), "shape": json.dumps(list(rows.shape[1:]))}
    return pa.table(columns).replace_schema_metadata(metadata)


def _description(conversion: Conversion, shape: tuple[int, ...], dtype: str) -> dict[str, Any]:
    """What a part and the manifest say of the set."""
    contents = conversion.contents
    return {
        "shape": list(shape),
        "dtype": dtype,
        "classes": {str(label): name for label, name in contents.class_names.items()},
        "attributes": list(contents.attributes),
        "terms": conversion.terms,
    }


def _fingerprint(digests: Iterable[bytes]) -> str:
    """SHA-256 of the rows' own, so that it does not depend on how they are cut into parts."""
    whole = hashlib.sha256()
    for part in digests:
        whole.update(part)
    return whole.hexdigest()


def _fitting_rows(source: Stored, contents: Contents, kept: Int64[np.ndarray, " kept"]) -> int:
    """Rows of a part, judged by the first that can be read."""
    for index in kept[:_SHOWN]:
        try:
            (image,) = contents.take(np.array([index]), source)
        except BrokenPictureError:
            continue
        return int(np.clip(_PART_BYTES // max(1, image.nbytes), _FEWEST_ROWS, _MOST_ROWS))
    return _FEWEST_ROWS


def _check_free(uri: str) -> None:
    """Refuse a folder that holds something else than a conversion that was cut off."""
    found = storage.list_files(uri)
    manifest = storage.join(uri, MANIFEST)
    if not found:
        return
    if manifest in found and '"converting"' in storage.read_text(manifest):
        return
    raise InputError(f"{uri} is not empty: choose another folder, or delete it yourself")


def _complaint(broken: Sequence[Broken], count: int) -> str:
    """A sentence that counts and lists broken pictures."""
    listed = "; ".join(one.reason.split(": ")[0] for one in broken[:_SHOWN])
    more = f"; and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
    return (
        f"{len(broken)} of {count} pictures are broken ({listed}{more}): repair or remove them, "
        "or leave them out with --skip-broken"
    )


def _write_manifest(uri: str, content: dict[str, Any]) -> None:
    storage.write_text(storage.join(uri, MANIFEST), json.dumps(content, indent=2) + "\n")
