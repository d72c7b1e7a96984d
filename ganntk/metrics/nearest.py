"""The nearest real row of each generated row: has it been copied? Layer 2."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from ganntk.errors import InputError


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each generated row, which real row is nearest and how far away it is.

    Attributes:
        index: which real row.
        distance: Euclidean distance to it.
    """

    index: Int64[np.ndarray, " rows"]
    distance: Float64[np.ndarray, " rows"]


def nearest(
    generated: Float[np.ndarray, "rows ..."],
    real: Float[np.ndarray, "others ..."],
    *,
    memory_bytes: int = 1 << 27,
) -> Nearest:
    r"""Find the nearest real row in pixel space.

    $$ i(z) = \arg\min_i \lVert z - x_i \rVert_2 $$

    Candidates come from $\lVert x \rVert^2 - 2 \langle x, z \rangle$ in float64, block by block;
    the distance is then computed from the difference, so that a copied row is at distance 0.

    Args:
        generated: images or points.
        real: rows of the same shape, at least one.
        memory_bytes: bound on the temporary arrays of a block.

    Returns:
        Index into `real` and Euclidean distance, each of shape (rows,).

    Raises:
        InputError: the rows differ in shape, or there is no real row.

    Example:
        >>> nearest(np.array([[0.0, 0.9]]), np.array([[0.0, 0.0], [0.0, 1.0]])).index
        array([1])
    """
    if generated.shape[1:] != real.shape[1:] or generated.ndim < 2 or len(real) == 0:
        raise InputError(
            f"generated rows of shape {generated.shape} and real rows of shape {real.shape} "
            "cannot be compared: give rows of one shape, and at least one real row"
        )
    block = _block_rows(int(np.prod(real.shape[1:])), memory_bytes)
    parts = [_nearest_of(part, real, block) for part in _blocks(generated, block)]
    if not parts:
        return Nearest(np.empty(0, np.int64), np.empty(0))
    index = np.concatenate([part.index for part in parts])
    return Nearest(index, np.concatenate([part.distance for part in parts]))


def merge(one: Nearest, other: Nearest, *, first: int) -> Nearest:
    """What two shards of real rows have for the same generated rows; the first on a tie.

    Args:
        one: from the earlier shard.
        other: from the later shard.
        first: number of the later shard's first real row, among all.
    """
    is_nearer = other.distance < one.distance
    return Nearest(
        np.where(is_nearer, first + other.index, one.index),
        np.where(is_nearer, other.distance, one.distance),
    )


def _nearest_of(generated: np.ndarray, real: np.ndarray, block: int) -> Nearest:
    """The nearest real rows of one block of generated rows."""
    z = _flat(generated)
    best = np.full(len(z), np.inf)
    index = np.zeros(len(z), np.int64)
    for start, part in enumerate(_blocks(real, block)):
        x = _flat(part)
        # |z - x|^2 without |z|^2, which does not change the order.
        score = (x**2).sum(axis=1) - 2 * z @ x.T
        found = score.argmin(axis=1)
        value = np.take_along_axis(score, found[:, None], axis=1)[:, 0]
        is_nearer = value < best
        best = np.where(is_nearer, value, best)
        index = np.where(is_nearer, start * block + found, index)
    return Nearest(index, np.linalg.norm(z - _flat(real[index]), axis=1))


def _flat(rows: np.ndarray) -> np.ndarray:
    """Rows as float64 vectors."""
    return np.asarray(rows, np.float64).reshape(len(rows), -1)


def _blocks(rows: np.ndarray, block: int) -> list[np.ndarray]:
    """Views of `block` rows each, the last one shorter."""
    return [rows[start : start + block] for start in range(0, len(rows), block)]


def _block_rows(dimensions: int, memory_bytes: int) -> int:
    """The b for which b^2 scores and six sets of b rows of float64 stay below the bound."""
    numbers = memory_bytes / 8
    # 2 b^2 + 6 b d = numbers; the second b^2 is the sum that makes the scores.
    root = np.sqrt((6 * dimensions) ** 2 + 8 * numbers)
    return max(1, int((root - 6 * dimensions) / 4))
