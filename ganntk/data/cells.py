"""Images in a column of an Arrow table, however they were put there. Layer 2.

==========================  =====================================================================
column                      holds
==========================  =====================================================================
struct of bytes and path    a picture file, as data sets of Hugging Face have it
binary                      a picture file
binary of one length        the numbers of an image, row by row; ``shape`` and ``dtype`` in metadata
tensor of fixed shape       Arrow's own extension type
list of numbers             an image, flat with ``shape`` in metadata, or nested
==========================  =====================================================================
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ganntk.errors import InputError

METADATA = b"ganntk"
"""Key of the schema's metadata under which a converted set describes itself, as JSON."""

_HUGGING_FACE = b"huggingface"


@dataclass(frozen=True)
class Layout:
    """What a schema says of its images.

    Attributes:
        image: name of the column of images.
        label: name of the column of classes, or None.
        attributes: names of the columns that say yes or no.
        shape: of an image, where cells do not say it themselves.
        dtype: of the numbers in binary cells of one length.
        class_names: names of classes by their label.
        terms: under which terms the data may be used.
    """

    image: str
    label: str | None = None
    attributes: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None
    dtype: str = "uint8"
    class_names: Mapping[int, str] = field(default_factory=dict)
    terms: str = ""


def layout_of(
    schema: pa.Schema, *, name: str, image: str | None = None, label: str | None = None
) -> Layout:
    """Find the columns of images, classes and attributes.

    Args:
        schema: of the table.
        name: what the error messages call it.
        image: the column of images; None looks for ``image``, ``img`` or the only column that can
            hold some.
        label: the column of classes; None takes ``label`` or ``labels`` where there is one.

    Raises:
        InputError: a column is not there, or it is not clear which one holds the images.
    """
    raw = schema.metadata or {}
    ours, theirs = _json(raw, METADATA), _json(raw, _HUGGING_FACE)
    kept = image or _image_column(schema, name)
    _check_column(kept, schema, name)
    if label is not None:
        _check_column(label, schema, name)
    found = label or next((one for one in ("label", "labels") if one in schema.names), None)
    names = dict(enumerate(_nested(theirs, "info", "features", found, "names") or []))
    names |= {int(key): word for key, word in ours.get("classes", {}).items()}
    shape = ours.get("shape") or _json(raw, b"shape")
    return Layout(
        image=kept,
        label=found,
        attributes=tuple(one.name for one in schema if pa.types.is_boolean(one.type)),
        shape=tuple(shape) if shape else None,
        dtype=ours.get("dtype", "uint8"),
        class_names=names,
        terms=ours.get("terms", ""),
    )


def is_encoded(kind: pa.DataType) -> bool:
    """Whether cells of this type are picture files."""
    return pa.types.is_struct(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def files_in(column: pa.Array, *, name: str) -> list[bytes]:
    """The picture files in a column; a cell without one is empty.

    Raises:
        InputError: the cells have no ``bytes``.
    """
    if pa.types.is_struct(column.type):
        if column.type.get_field_index("bytes") < 0:
            raise InputError(f"{name} has structs without bytes: give a column of pictures")
        column = column.field("bytes")  # type: ignore[attr-defined]
    return [b"" if cell is None else cell for cell in column.to_pylist()]


def numbers_in(column: pa.Array, layout: Layout, *, name: str) -> np.ndarray:
    """The images in a column of numbers, as one array.

    Raises:
        InputError: a cell is empty, sizes are mixed, or the shape does not fit.
    """
    if column.null_count:
        raise InputError(f"{name} has {column.null_count} cells without an image: remove them")
    if isinstance(column, pa.FixedShapeTensorArray):
        return column.to_numpy_ndarray()
    if pa.types.is_fixed_size_binary(column.type):
        flat = _raw(column, layout, name)
    else:
        flat = _listed(column, name)
    if layout.shape is None:
        if flat.ndim < 3 and len(flat):
            raise InputError(
                f"{name} holds flat rows without a shape: put shape into the schema's metadata"
            )
        return flat
    try:
        return flat.reshape(len(column), *layout.shape)
    except ValueError as error:
        raise InputError(f"{name} holds rows that have not the shape {layout.shape}") from error


def _raw(column: Any, layout: Layout, name: str) -> np.ndarray:
    """Binary cells of one length, without a copy."""
    if layout.shape is None:
        raise InputError(
            f"{name} holds bytes of one length without a shape: put shape and dtype into the "
            "schema's metadata"
        )
    width = column.type.byte_width
    content = np.frombuffer(column.buffers()[1], np.uint8)
    content = content[column.offset * width : (column.offset + len(column)) * width]
    return content.view(np.dtype(layout.dtype).newbyteorder("<"))


def _listed(column: pa.Array, name: str) -> np.ndarray:
    """Lists of numbers, or lists of lists, all of one shape."""
    depth, values, lengths = 0, column, []
    while pa.types.is_nested(values.type) and not pa.types.is_struct(values.type):
        count, flat = len(values), values.flatten()  # type: ignore[attr-defined]
        size = len(flat) // count if count else 0
        sizes = set(values.value_lengths().unique().to_pylist())  # type: ignore[attr-defined]
        if sizes - {size}:
            raise InputError(f"{name} holds images of mixed sizes: store them as picture files")
        lengths.append(size)
        depth, values = depth + 1, flat
    if not depth or not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise InputError(
            f"{name} has the type {column.type}, which holds no images: name another column"
        )
    return values.to_numpy(zero_copy_only=False).reshape(len(column), *lengths)


def _image_column(schema: pa.Schema, name: str) -> str:
    named = [one for one in ("image", "img", "images") if one in schema.names]
    able = [one.name for one in schema if _can_hold(one.type)]
    if named:
        return named[0]
    if len(able) != 1:
        raise InputError(
            f"{name} has the columns {', '.join(schema.names)}: say with image_column which one "
            "holds the images"
        )
    return able[0]


def _can_hold(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    is_binary = is_encoded(kind) or pa.types.is_fixed_size_binary(kind)
    return is_binary or is_list or isinstance(kind, pa.FixedShapeTensorType)


def _check_column(column: str, schema: pa.Schema, name: str) -> None:
    if column not in schema.names:
        raise InputError(f"{name} has no column {column!r}: choose among {', '.join(schema.names)}")


def _json(raw: Mapping[bytes, bytes], key: bytes) -> Any:
    """An entry of the metadata, or an empty mapping where it is missing or something else."""
    try:
        return json.loads(raw.get(key, b"{}"))
    except ValueError:
        return {}


def _nested(raw: Any, *keys: str | None) -> Any:
    for key in keys:
        raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw
