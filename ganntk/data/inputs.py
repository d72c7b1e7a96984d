"""What a person may hand to `ganntk.synthesize` as real rows. Layer 2."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float32

from ganntk.data.base import Source
from ganntk.data.cells import files_in, is_encoded, layout_of, numbers_in
from ganntk.data.detection import source_at
from ganntk.data.pictures import decode
from ganntk.data.rows import check_rows
from ganntk.data.shaping import stacked

_CHANNELS = (1, 3)


def rows_from(given: Any, *, name: str = "images") -> Float32[np.ndarray, "rows ..."]:
    """Real rows as float32 in [0, 1].

    Args:
        given: an array of NumPy, JAX or torch, or a sequence of them; a table of pyarrow or a frame
            of pandas with a column of pictures (files, arrays or lists); a `Source`; or the address
            of anything that `ganntk data describe` knows. A tensor of torch with its one or three
            channels first, (n, c, h, w), gets them last.
        name: what the error messages call it.

    Returns:
        Images of shape (n, h, w, c), or points of shape (n, d).

    Raises:
        InputError: it is none of these, or `check_rows` refuses the rows.

    Example:
        >>> rows_from(pa.table({"image": [[[0.0, 0.5]], [[1.0, 0.25]]]})).shape
        (2, 1, 2, 1)
    """
    if isinstance(given, str | os.PathLike):
        return source_at(os.fspath(given)).load().rows
    if isinstance(given, Source):
        return given.load().rows
    if isinstance(given, pa.Table):
        return check_rows(_of_table(given, name), name=name)
    if _is_of("pandas", given):
        return check_rows(_of_frame(given, name), name=name)
    if _is_of("torch", given):
        return check_rows(_of_tensor(given), name=name)
    return check_rows(given, name=name)


def _is_of(package: str, value: Any) -> bool:
    """Whether a value's type comes from a package, which need not be installed."""
    return type(value).__module__.split(".")[0] == package


def _of_tensor(tensor: Any) -> np.ndarray:
    array = tensor.detach().cpu().numpy()
    is_first = array.ndim == 4 and array.shape[1] in _CHANNELS and array.shape[3] not in _CHANNELS
    return np.moveaxis(array, 1, 3) if is_first else array


def _of_table(table: pa.Table, name: str) -> np.ndarray:
    layout = layout_of(table.schema, name=f"the table of {name}")
    column = table.column(layout.image).combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # an extension type with several chunks
        column = pa.concat_arrays(column.chunks)
    if not is_encoded(column.type):
        return numbers_in(column, layout, name=f"column {layout.image}")
    files = files_in(column, name=f"column {layout.image}")
    names = [f"row {index} of column {layout.image}" for index in range(len(files))]
    images = [decode(content, name=one) for content, one in zip(files, names, strict=True)]
    return stacked(images, names)


def _of_frame(frame: Any, name: str) -> np.ndarray:
    """A frame of files is a table; arrays of several axes are of no type of Arrow."""
    for column in ("image", "img", "images"):
        if column in frame.columns and _holds_arrays(frame[column].tolist()):
            return np.stack([np.asarray(cell) for cell in frame[column]])
    return _of_table(pa.Table.from_pandas(frame, preserve_index=False), name)


def _holds_arrays(cells: Sequence[Any]) -> bool:
    shapes = {np.shape(cell) for cell in cells if hasattr(cell, "__array__")}
    return bool(cells) and len(shapes) == 1 and all(hasattr(cell, "__array__") for cell in cells)
