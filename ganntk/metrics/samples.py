"""Rows at the border of a metric, and blocks of them that fit into memory. Layer 2."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64
from numpy.typing import ArrayLike

from ganntk.errors import InputError

MEMORY_BYTES = 1 << 27
"""Bound on the temporary arrays of one block of pairs, unless a call says otherwise."""

Samples = Float64[np.ndarray, "rows d"]


def as_samples(rows: ArrayLike, *, name: str = "features") -> Samples:
    """Accept rows as float64 vectors, or say in one sentence why not.

    Args:
        rows: features of shape (n, d), or images of shape (n, h, w, c), which are flattened.
        name: what the error messages call them.

    Raises:
        InputError: there are no rows, they are no numbers, or some are not finite.

    Example:
        >>> as_samples(np.ones((2, 3, 3, 1), np.float32)).shape
        (2, 9)
    """
    array = np.asarray(rows)
    if array.ndim < 2 or array.dtype.kind not in "buif":
        raise InputError(
            f"the {name} have shape {array.shape} and type {array.dtype}: give numbers of shape "
            "(n, d)"
        )
    if 0 in array.shape:
        raise InputError(f"the {name} have shape {array.shape}: give at least one row")
    flat = array.reshape(len(array), -1).astype(np.float64)
    if not np.isfinite(flat).all():
        bad = np.flatnonzero(~np.isfinite(flat).all(axis=1))
        raise InputError(
            f"{len(bad)} of {len(flat)} rows of the {name} are not finite (first is row {bad[0]}): "
            "remove them, or look for the step at which the run left the finite numbers"
        )
    return flat


def check_width(one: int, other: int, *, name: str = "features") -> None:
    """Refuse two sets of rows of different widths.

    Raises:
        InputError: the widths differ.
    """
    if one != other:
        raise InputError(
            f"the {name} have {one} columns on one side and {other} on the other: make both with "
            "one extractor from images of one shape"
        )


def check_count(count: int, least: int, *, what: str) -> None:
    """Refuse too few rows.

    Args:
        count: how many there are.
        least: how many are needed.
        what: which number needs them, for the error message.

    Raises:
        InputError: there are fewer.
    """
    if count < least:
        raise InputError(f"{what} needs at least {least} rows on each side and got {count}")


def block_rows(columns: int, memory_bytes: int = MEMORY_BYTES, *, copies: int = 4) -> int:
    """How many rows of float64 numbers fit into a bound.

    Args:
        columns: numbers in a row.
        memory_bytes: the bound.
        copies: how many arrays of that shape there are at a time.

    Returns:
        At least 1.
    """
    return max(1, memory_bytes // (8 * copies * max(1, columns)))


def starts(count: int, size: int) -> Iterator[slice]:
    """Slices of `size` rows each, the last one shorter."""
    for first in range(0, count, size):
        yield slice(first, min(first + size, count))


def squared_distances(
    one: Float[np.ndarray, "rows d"], other: Float[np.ndarray, "others d"]
) -> Float64[np.ndarray, "rows others"]:
    r"""All $\lVert x - y \rVert^2$, from the products of rows; never negative."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
    return np.maximum(squares - 2 * one @ other.T, 0)
