r"""Precision, recall, density and coverage by nearest neighbours of features. Layer 2.

Around each row of a set lies a ball that reaches to its k-th nearest neighbour in the same set; the
balls stand for the region that the set covers. With $B(x)$ the ball of a real row $x$ and $B(z)$
that of a generated row $z$,

* precision: the share of generated rows in at least one $B(x)$;
* recall: the share of real rows in at least one $B(z)$;
* density: how many $B(x)$ a generated row is in, on average, divided by k;
* coverage: the share of the $B(x)$ with a generated row in them.

All four depend on the counts: compare numbers for equal counts only.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64
from numpy.typing import ArrayLike

from ganntk.metrics.samples import (
    MEMORY_BYTES,
    Samples,
    as_samples,
    block_rows,
    check_count,
    check_width,
    squared_distances,
    starts,
)

NEIGHBOURS = 5


class Neighbours(NamedTuple):
    """A set of features, and how far the nearest others of the set are.

    Attributes:
        rows: the features seen so far.
        nearest: of each row, the k smallest squared distances to other rows, in no order; infinite
            where there are fewer.
    """

    rows: Samples
    nearest: Float64[np.ndarray, "rows k"]

    @property
    def radii(self) -> Float64[np.ndarray, " rows"]:
        """The squared radius of each row's ball."""
        return self.nearest.max(axis=1)


class Contacts(NamedTuple):
    """Which rows lie in which balls, for some generated rows and all real ones.

    Attributes:
        generated: how many generated rows.
        precise: how many of them lie in a real ball.
        hits: pairs of a generated row and a real ball around it.
        covered: of each real ball, whether one of the generated rows lies in it.
        recalled: of each real row, whether it lies in the ball of one of the generated rows.
        k: of the balls.
    """

    generated: int
    precise: int
    hits: int
    covered: Bool[np.ndarray, " real"]
    recalled: Bool[np.ndarray, " real"]
    k: int


class Manifold(NamedTuple):
    """The four numbers; all but the density are shares."""

    precision: float
    recall: float
    density: float
    coverage: float


def init(width: int, k: int = NEIGHBOURS) -> Neighbours:
    """No rows with `width` features, and balls that reach to the k-th neighbour."""
    return Neighbours(np.zeros((0, width)), np.zeros((0, k)))


def update(
    state: Neighbours, features: ArrayLike, *, memory_bytes: int = MEMORY_BYTES
) -> Neighbours:
    """The neighbours with more rows, features of shape (n, d).

    Raises:
        InputError: the rows are empty, not finite, or have another width.
    """
    rows = as_samples(features)
    k = state.nearest.shape[1]
    nearest = np.full((len(rows), k), np.inf)
    for part in starts(len(rows), block_rows(len(rows), memory_bytes)):
        distances = squared_distances(rows[part], rows)
        distances[np.arange(len(distances)), np.arange(part.start, part.stop)] = np.inf
        nearest[part] = _smallest(distances, k)
    return merge(state, Neighbours(rows, nearest), memory_bytes=memory_bytes)


def merge(one: Neighbours, other: Neighbours, *, memory_bytes: int = MEMORY_BYTES) -> Neighbours:
    """The neighbours in the rows of two shards together.

    Raises:
        InputError: the widths differ.
    """
    check_width(one.rows.shape[1], other.rows.shape[1])
    first, second = one.nearest.copy(), other.nearest
    k = first.shape[1]
    if len(one.rows) and len(other.rows):
        for part in starts(len(one.rows), block_rows(len(other.rows), memory_bytes)):
            distances = squared_distances(one.rows[part], other.rows)
            first[part] = _smallest(np.concatenate([first[part], distances], axis=1), k)
            second = _smallest(np.concatenate([second, distances.T], axis=1), k)
    return Neighbours(np.concatenate([one.rows, other.rows]), np.concatenate([first, second]))


def contacts(
    generated: Neighbours,
    real: Neighbours,
    *,
    rows: slice = slice(None),
    memory_bytes: int = MEMORY_BYTES,
) -> Contacts:
    """Which rows lie in which balls: what a worker does with its share of the generated rows.

    Args:
        generated: all generated rows, for their radii.
        real: all real rows.
        rows: the share of the generated rows to look at.
        memory_bytes: bound on the temporary arrays of a block.

    Raises:
        InputError: the widths differ, or a side has no more rows than a ball has neighbours.
    """
    check_width(generated.rows.shape[1], real.rows.shape[1])
    k = real.nearest.shape[1]
    fewest = min(len(generated.rows), len(real.rows))
    check_count(fewest, k + 1, what=f"precision and recall with {k} neighbours")
    shares, radii = generated.rows[rows], generated.radii[rows]
    reach = real.radii
    found = Contacts(0, 0, 0, np.zeros(len(reach), bool), np.zeros(len(reach), bool), k)
    for part in starts(len(shares), block_rows(len(reach), memory_bytes)):
        distances = squared_distances(shares[part], real.rows)
        inside = distances < reach
        hit, around = inside.any(axis=0), (distances < radii[part, None]).any(axis=0)
        precise, hits = int(inside.any(axis=1).sum()), int(inside.sum())
        seen = Contacts(len(distances), precise, hits, np.asarray(hit), np.asarray(around), k)
        found = merge_contacts(found, seen)
    return found


def merge_contacts(one: Contacts, other: Contacts) -> Contacts:
    """The contacts of two shares of the generated rows."""
    return Contacts(
        one.generated + other.generated,
        one.precise + other.precise,
        one.hits + other.hits,
        one.covered | other.covered,
        one.recalled | other.recalled,
        one.k,
    )


def compute(state: Contacts) -> Manifold:
    """The four numbers of all contacts.

    Raises:
        InputError: there is no generated row.
    """
    check_count(state.generated, 1, what="precision")
    return Manifold(
        state.precise / state.generated,
        float(state.recalled.mean()),
        state.hits / (state.k * state.generated),
        float(state.covered.mean()),
    )


def between(generated: ArrayLike, real: ArrayLike, *, k: int = NEIGHBOURS) -> Manifold:
    """The four numbers for two arrays of features, shape (n, d) and (m, d).

    Raises:
        InputError: no more than k rows, rows that are not finite, or different widths.

    Example:
        >>> line = np.arange(4.0)[:, None]
        >>> between(line, line, k=1).precision
        1.0
    """
    sides = [as_samples(generated, name="generated features"), as_samples(real)]
    one, other = (update(init(side.shape[1], k), side) for side in sides)
    return compute(contacts(one, other))


def _smallest(
    distances: Float64[np.ndarray, "rows others"], k: int
) -> Float64[np.ndarray, "rows k"]:
    """The k smallest of each row, filled up with infinity."""
    if distances.shape[1] > k:
        return np.partition(distances, k - 1, axis=1)[:, :k]
    missing = np.full((len(distances), k - distances.shape[1]), np.inf)
    return np.concatenate([distances, missing], axis=1)
