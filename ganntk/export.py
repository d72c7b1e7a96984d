"""The generated rows of a run as files that other programs open. Layer 4.

==========  =====================================================================================
format      makes
==========  =====================================================================================
``png``     a folder: a picture for each row, ``rows.csv`` with what is known of each
``npz``     a file: ``images`` and an array for each column
``parquet`` a file: PNG files in the layout of Hugging Face, which data viewers show as pictures
``grid``    a file: all rows in one picture
==========  =====================================================================================
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Literal

import numpy as np
import pyarrow as pa

from ganntk import images, storage
from ganntk.errors import InputError
from ganntk.run_folder import RunFolder, SavedImages

Format = Literal["png", "npz", "parquet", "grid"]


def export(run_uri: str, uri: str, *, kind: Format = "png") -> int:
    """Write the generated rows of a run somewhere else.

    Args:
        run_uri: the run's folder.
        uri: an empty or new folder for ``png``, otherwise a file that is not there; on any storage.
        kind: what is made.

    Returns:
        How many rows were written.

    Raises:
        InputError: there is no run or it has no rows yet, there is something at `uri`, or the rows
            cannot be drawn.
    """
    if kind not in _WRITERS:
        raise InputError(f"the format {kind!r} is unknown: choose {', '.join(_WRITERS)}")
    saved = RunFolder.open(run_uri).read_images()
    if saved is None:
        raise InputError(f"{run_uri} has no images yet: wait for its end, or resume it")
    if storage.exists(uri) and (kind != "png" or storage.list_files(uri)):
        raise InputError(
            f"there is something at {uri}: choose another place, or delete it yourself"
        )
    _WRITERS[kind](saved, uri)
    return len(saved.rows)


def _write_png(saved: SavedImages, uri: str) -> None:
    """A folder of pictures; the table comes last, so a folder that has one is whole."""
    names = [f"{index:05d}.png" for index in range(len(saved.rows))]
    for name, content in zip(names, _pictures(saved), strict=True):
        storage.write_bytes(storage.join(uri, name), content)
    text, columns = io.StringIO(), _columns(saved)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", *columns])
    writer.writerows(zip(names, *(column.tolist() for column in columns.values()), strict=True))
    storage.write_text(storage.join(uri, "rows.csv"), text.getvalue())


def _write_npz(saved: SavedImages, uri: str) -> None:
    stream = io.BytesIO()
    arrays = {"images": saved.rows, **_columns(saved)}
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    storage.write_bytes(uri, stream.getvalue())


def _write_parquet(saved: SavedImages, uri: str) -> None:
    cells = [
        {"bytes": content, "path": f"{index:05d}.png"}
        for index, content in enumerate(_pictures(saved))
    ]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    # The key by which the libraries of Hugging Face know that the structs are pictures.
    feature = '{"info": {"features": {"image": {"_type": "Image"}}}}'
    table = pa.table({"image": pa.array(cells, kind), **_columns(saved)})
    storage.write_table(uri, table.replace_schema_metadata({"huggingface": feature}))


def _write_grid(saved: SavedImages, uri: str) -> None:
    _check_images(saved)
    picture = images.picture_of(saved.rows, limit=len(saved.rows))
    storage.write_bytes(uri, images.to_png(picture))


def _pictures(saved: SavedImages) -> list[bytes]:
    """Each row as a PNG file of its own size."""
    _check_images(saved)
    return [images.to_png(images.grid(row[None], pad=0)) for row in saved.rows]


def _check_images(saved: SavedImages) -> None:
    shape = saved.rows.shape[1:]
    if len(shape) != 3 or shape[-1] not in (1, 3, 4):
        raise InputError(f"rows of shape {shape} are no pictures: export them as npz")


def _columns(saved: SavedImages) -> Mapping[str, np.ndarray]:
    """What is known of each row."""
    return {one.name: getattr(saved, one.name) for one in fields(saved) if one.name != "rows"}


_WRITERS: Mapping[str, Callable[[SavedImages, str], None]] = {
    "png": _write_png,
    "npz": _write_npz,
    "parquet": _write_parquet,
    "grid": _write_grid,
}
