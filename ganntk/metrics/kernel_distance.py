r"""The kernel distance between features, KID with those of Inception. Layer 2.

The unbiased estimate of the squared maximum mean discrepancy with the published kernel,

$$ k(x, y) = \left(\tfrac{1}{d} \langle x, y \rangle + 1\right)^3, \qquad
   \tfrac{1}{m (m-1)} \sum_{i \ne j} k(x_i, x_j) + \tfrac{1}{n (n-1)} \sum_{i \ne j} k(y_i, y_j)
   - \tfrac{2}{m n} \sum_{i, j} k(x_i, y_j) $$

over all rows, with the standard error that a jackknife over the rows of both sides gives. Unlike
the Fréchet distance it does not depend on the counts in the mean, and it may be negative.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from ganntk.metrics.samples import (
    MEMORY_BYTES,
    Samples,
    as_samples,
    block_rows,
    check_count,
    check_width,
    starts,
)


class Within(NamedTuple):
    """A set of features and the sums of its own kernel values.

    Attributes:
        rows: the features seen so far.
        sums: of each row, the kernel summed over the *other* rows.
    """

    rows: Samples
    sums: Float64[np.ndarray, " rows"]


class KernelDistance(NamedTuple):
    """An estimate of the squared discrepancy.

    Attributes:
        value: the unbiased estimate, around 0 for two samples of one distribution.
        standard_error: of it, over the rows of both sides.
    """

    value: float
    standard_error: float


def init(width: int) -> Within:
    """The sums of no rows with `width` features."""
    return Within(np.zeros((0, width)), np.zeros(0))


def update(state: Within, features: ArrayLike, *, memory_bytes: int = MEMORY_BYTES) -> Within:
    """The sums with more rows, features of shape (n, d).

    Raises:
        InputError: the rows are empty, not finite, or have another width.
    """
    rows = as_samples(features)
    # k(x, x) is no pair.
    own = ((rows**2).sum(axis=1) / rows.shape[1] + 1) ** 3
    sums = _sums(rows, rows, memory_bytes)[0] - own
    return merge(state, Within(rows, sums), memory_bytes=memory_bytes)


def merge(one: Within, other: Within, *, memory_bytes: int = MEMORY_BYTES) -> Within:
    """The sums of the rows of two shards: what each lacks is the kernel between them.

    Raises:
        InputError: the widths differ.
    """
    check_width(one.rows.shape[1], other.rows.shape[1])
    over_other, over_one = _sums(one.rows, other.rows, memory_bytes)
    rows = np.concatenate([one.rows, other.rows])
    return Within(rows, np.concatenate([one.sums + over_other, other.sums + over_one]))


def compute(generated: Within, real: Within, *, memory_bytes: int = MEMORY_BYTES) -> KernelDistance:
    """The distance between two sets of features.

    Args:
        generated: one set, at least three rows.
        real: the other set, at least three rows.
        memory_bytes: bound on the temporary arrays of a block.

    Raises:
        InputError: a side has fewer than three rows, or the widths differ.
    """
    check_width(generated.rows.shape[1], real.rows.shape[1])
    m, n = len(generated.rows), len(real.rows)
    check_count(min(m, n), 3, what="the kernel distance")
    over_real, over_generated = _sums(generated.rows, real.rows, memory_bytes)
    xx, yy, xy = generated.sums.sum(), real.sums.sum(), over_real.sum()
    value = xx / (m * (m - 1)) + yy / (n * (n - 1)) - 2 * xy / (m * n)
    # Without row i: its pairs leave the sums, and the counts are one less.
    less_x = (
        (xx - 2 * generated.sums) / ((m - 1) * (m - 2))
        + yy / (n * (n - 1))
        - 2 * (xy - over_real) / ((m - 1) * n)
    )
    less_y = (
        xx / (m * (m - 1))
        + (yy - 2 * real.sums) / ((n - 1) * (n - 2))
        - 2 * (xy - over_generated) / (m * (n - 1))
    )
    variance = less_x.var() * (m - 1) + less_y.var() * (n - 1)
    return KernelDistance(float(value), float(np.sqrt(variance)))


def between(generated: ArrayLike, real: ArrayLike) -> KernelDistance:
    """The distance between two arrays of features, shape (n, d) and (m, d).

    Raises:
        InputError: fewer than three rows, rows that are not finite, or different widths.

    Example:
        >>> between([[0.0], [0.0], [0.0]], [[1.0], [1.0], [1.0]]).value
        7.0
    """
    sides = [as_samples(generated, name="generated features"), as_samples(real)]
    one, other = (update(init(side.shape[1]), side) for side in sides)
    return compute(one, other)


def _sums(
    one: Samples, other: Samples, memory_bytes: int
) -> tuple[Float64[np.ndarray, " rows"], Float64[np.ndarray, " others"]]:
    """The kernel summed over the other side, for the rows of each side."""
    over_other, over_one = np.zeros(len(one)), np.zeros(len(other))
    for part in starts(len(one), block_rows(len(other), memory_bytes)):
        values = (one[part] @ other.T / one.shape[1] + 1) ** 3
        over_other[part] = values.sum(axis=1)
        over_one += values.sum(axis=0)
    return over_other, over_one
