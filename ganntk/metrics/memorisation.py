r"""Are generated rows nearer to the training rows than fresh real rows are? Layer 2.

Fresh real rows are as near to the training rows as chance makes them. A generator that is nearer
has copied; one that is farther away makes something else. With $d$ the distance to the nearest
training row, the score is

$$ P(d_{\text{generated}} < d_{\text{held out}}) + \tfrac{1}{2} P(\text{equal}) : $$

0.5 for rows that are as new as fresh ones, 1 for copies, 0 for rows that are nowhere near.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike

from ganntk.errors import InputError


class Distances(NamedTuple):
    """Distances to the nearest training row.

    Attributes:
        generated: of each generated row.
        held_out: of each fresh real row.
    """

    generated: Float64[np.ndarray, " rows"]
    held_out: Float64[np.ndarray, " others"]


class Memorisation(NamedTuple):
    """How generated rows compare with fresh ones.

    Attributes:
        score: 0.5 as new as fresh rows, 1 copies.
        z: the same in standard deviations of what chance gives for equal distributions; at most
            -2 says that the training rows were copied.
    """

    score: float
    z: float


def init() -> Distances:
    """No distances."""
    return Distances(np.zeros(0), np.zeros(0))


def update(state: Distances, generated: ArrayLike, held_out: ArrayLike) -> Distances:
    """More distances, each of shape (n,); a similarity counts with its sign turned.

    Raises:
        InputError: a distance is not finite, or the arrays have more than one axis.
    """
    sides = [np.asarray(side, np.float64) for side in (generated, held_out)]
    for side, name in zip(sides, ("generated", "held-out"), strict=True):
        if side.ndim != 1 or not np.isfinite(side).all():
            raise InputError(
                f"the distances of {name} rows have shape {side.shape} or are not all finite: "
                "give one finite number for each row"
            )
    return merge(state, Distances(*sides))


def merge(one: Distances, other: Distances) -> Distances:
    """The distances of two shards."""
    return Distances(*(np.concatenate(sides) for sides in zip(one, other, strict=True)))


def compute(state: Distances) -> Memorisation:
    """The score, from the rank sum of the distances.

    Raises:
        InputError: a side has no rows.
    """
    m, n = len(state.generated), len(state.held_out)
    if min(m, n) == 0:
        raise InputError(
            f"there are {m} generated and {n} held-out distances: give at least one of each"
        )
    # The U of Mann and Whitney: pairs with the generated row farther away, ties by halves.
    ordered = np.sort(state.held_out)
    below, up_to = (ordered.searchsorted(state.generated, side) for side in ("left", "right"))
    farther = float((below + up_to).sum()) / 2
    z = (farther - m * n / 2) / np.sqrt(m * n * (m + n + 1) / 12)
    return Memorisation(1 - farther / (m * n), float(z))


def between(generated: ArrayLike, held_out: ArrayLike) -> Memorisation:
    """The score of two arrays of distances to the nearest training row.

    Raises:
        InputError: a side has no rows, or a distance is not finite.

    Example:
        >>> between([0.0, 0.1], [1.0, 2.0]).score
        1.0
    """
    return compute(update(init(), generated, held_out))
