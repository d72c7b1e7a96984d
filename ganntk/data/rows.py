"""Rows at the border: what is accepted, and which of them are kept. Layer 2."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int64
from numpy.typing import ArrayLike

from ganntk.errors import InputError

_GREY_OR_COLOUR = (1, 3)


def check_rows(rows: ArrayLike, *, name: str = "images") -> Float32[np.ndarray, "rows ..."]:
    """Accept rows as float32 in [0, 1], or say in one sentence why not.

    Args:
        rows: images (n, h, w, c), grey images (n, h, w), or points (n, d); bytes are divided by
            255, other numbers must lie in [0, 1].
        name: what the error messages call them.

    Returns:
        A contiguous copy or view: images of shape (n, h, w, c), or points of shape (n, d).

    Raises:
        InputError: fewer than two rows, mixed shapes, a shape that is none of the above, numbers
            that are not real or not finite, or values outside [0, 1].

    Example:
        >>> check_rows(np.full((2, 8, 8), 255, np.uint8)).shape
        (2, 8, 8, 1)
    """
    array = _as_array(rows, name)
    _check_shape(array.shape, name)
    if array.dtype == np.uint8:
        array = array.astype(np.float32) / np.float32(255)
    _check_values(array, name)
    array = np.ascontiguousarray(array, np.float32)
    return array[..., None] if array.ndim == 3 else array


def select_rows(
    count: int,
    labels: np.ndarray | None,
    *,
    size: int | None,
    seed: int,
    classes: Sequence[int] | None = None,
    mask: Bool[np.ndarray, " rows"] | None = None,
) -> Int64[np.ndarray, " kept"]:
    """Choose rows: filter, shuffle by seed without replacement, keep the first ones.

    Args:
        count: how many rows there are.
        labels: the class of each row, or None where no classes are known.
        size: how many rows to keep; None keeps all, in shuffled order.
        seed: not negative; the same seed chooses the same rows.
        classes: which classes to keep; None keeps all.
        mask: which rows may be kept; None for all.

    Returns:
        Indices of the rows, without repetition.

    Raises:
        InputError: a class is unknown, or more rows are wanted than there are.
    """
    if seed < 0:
        raise InputError(f"the data seed is {seed}: give 0 or a positive whole number")
    candidates = np.arange(count) if classes is None else _of_classes(labels, classes)
    if mask is not None:
        candidates = candidates[mask[candidates]]
    chosen = "" if classes is None else f" of classes {sorted(set(classes))}"
    if len(candidates) == 0:
        raise InputError(f"there are no rows left{chosen}: ask for less, or check the data")
    if size is not None and not 1 <= size <= len(candidates):
        raise InputError(
            f"{size} rows were asked for and there are {len(candidates)}{chosen}: "
            f"give a size between 1 and {len(candidates)}, or leave it out to keep all"
        )
    return np.random.default_rng(seed).permutation(candidates)[:size]


def check_labels(labels: ArrayLike, count: int, *, name: str) -> Int64[np.ndarray, " rows"]:
    """Accept one whole number for each of `count` rows.

    Args:
        labels: the numbers, shape (count,).
        count: how many rows there are.
        name: where the labels come from, for the error messages.

    Raises:
        InputError: the shape or the type is another one.
    """
    array = np.asarray(labels)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise InputError(
            f"the labels of {name} have shape {array.shape} and type {array.dtype}: "
            f"give one whole number for each of the {count} rows"
        )
    return array.astype(np.int64)


def _of_classes(labels: np.ndarray | None, classes: Sequence[int]) -> np.ndarray:
    """Indices of the rows of some classes."""
    if labels is None:
        raise InputError(
            f"classes {list(classes)} were asked for and the data has no labels: "
            "say where the labels are, or leave out the classes"
        )
    known = np.unique(labels)
    unknown = sorted(set(classes) - set(known.tolist()))
    if unknown or not classes:
        raise InputError(
            f"there are no rows of the classes {unknown or list(classes)}: "
            f"choose among {', '.join(map(str, known[:20]))}{', ...' if len(known) > 20 else ''}"
        )
    return np.flatnonzero(np.isin(labels, np.asarray(classes)))


def _as_array(rows: ArrayLike, name: str) -> np.ndarray:
    """One array of real numbers, from an array or from a sequence of equal shapes."""
    is_ragged = isinstance(rows, np.ndarray) and rows.dtype == object
    if is_ragged or isinstance(rows, (list, tuple)):
        _check_same_shape(list(rows), name)  # type: ignore[arg-type]
        rows = list(rows)  # type: ignore[arg-type]
    array = np.asarray(rows)
    if array.dtype.kind not in "buif":
        raise InputError(f"the {name} have type {array.dtype}: give real numbers in [0, 1]")
    return array


def _check_same_shape(rows: list[ArrayLike], name: str) -> None:
    """Refuse rows of mixed shapes, naming two of them."""
    try:
        shapes = [np.shape(row) for row in rows]
    except ValueError as error:
        raise InputError(
            f"one of the {name} is itself ragged: give each as an array of numbers"
        ) from error
    for index, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise InputError(
                f"the {name} have mixed shapes (number 0 is {shapes[0]}, number {index} is "
                f"{shape}): resize or crop them to one shape"
            )


def _check_shape(shape: tuple[int, ...], name: str) -> None:
    """Refuse shapes that are not those of several rows."""
    wanted = "give (n, h, w, c), (n, h, w) or (n, d)"
    if len(shape) not in (2, 3, 4) or 0 in shape[1:]:
        raise InputError(f"the {name} have shape {shape}: {wanted}")
    if len(shape) == 3 and shape[2] in _GREY_OR_COLOUR:
        raise InputError(
            f"the {name} have shape {shape}, which looks like one image only: give (n, h, w, c) "
            "with at least two images"
        )
    if shape[0] < 2:
        count = "one row" if shape[0] else "no row"
        raise InputError(f"the {name} have {count} only (shape {shape}): give at least two rows")


def _check_values(array: np.ndarray, name: str) -> None:
    """Refuse numbers that are not finite or lie outside [0, 1]."""
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        # A minimum is NaN when any value is, so one pass has seen them all.
        bad = np.argwhere(~np.isfinite(array))[0]
        raise InputError(
            f"the {name} hold {array[tuple(bad)]} (first in row {bad[0]}): "
            "remove or repair the rows that are not finite"
        )
    if low < 0 or high > 1:
        raise InputError(
            f"the {name} lie in [{low:.6g}, {high:.6g}] and [0, 1] was expected: "
            f"{_range_remedy(low, high)}"
        )


def _range_remedy(low: float, high: float) -> str:
    """What to do with values outside [0, 1]."""
    if low >= -1e-3 and high <= 1 + 1e-3:
        return "clip them, they are off by rounding"
    if low >= -1 - 1e-3 and high <= 1 + 1e-3:
        return "map them with (x + 1) / 2"
    if low >= 0 and 2 < high <= 255:
        return "divide by 255"
    return "rescale them, for example with (x - min) / (max - min)"
