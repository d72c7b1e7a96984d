r"""Distances of point sets by optimal transport. Layer 2.

$$ \tfrac{1}{2} W_2^2 = \min_{\pi} \tfrac{1}{2m} \sum_i \lVert z_i - x_{\pi(i)} \rVert^2 $$

exactly, by the assignment that costs least, for sets of some thousand rows; and the Sinkhorn
divergence of ott-jax, which is an approximation for larger ones. The best assignment belongs to all
rows at once, so the state of a shard is its rows.
"""

import importlib
import math
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from ganntk.errors import InputError
from ganntk.metrics.samples import Samples, as_samples, check_width, squared_distances

MOST_ROWS = 5000
"""Rows up to which the exact distance is computed: its time grows with the third power."""


def init(width: int) -> Samples:
    """No rows of `width` coordinates."""
    return np.zeros((0, width))


def update(state: Samples, rows: ArrayLike) -> Samples:
    """More rows, shape (n, d).

    Raises:
        InputError: the rows are empty, not finite, or have another width.
    """
    return merge(state, as_samples(rows, name="points"))


def merge(one: Samples, other: Samples) -> Samples:
    """The rows of two shards.

    Raises:
        InputError: the widths differ.
    """
    check_width(one.shape[1], other.shape[1], name="points")
    return np.concatenate([one, other])


def compute(one: Samples, other: Samples) -> float:
    r"""$W_2^2 / 2$ between two sets of rows of equal weight.

    Sets of different sizes are repeated to a common multiple, which changes nothing.

    Raises:
        InputError: a side is empty, the widths differ, or there are too many rows.
    """
    one, other = as_samples(one, name="points"), as_samples(other, name="points")
    check_width(one.shape[1], other.shape[1], name="points")
    # Imported here: few runs measure this, and it takes long to import.
    from scipy.optimize import linear_sum_assignment

    count = math.lcm(len(one), len(other))
    if count > MOST_ROWS:
        raise InputError(
            f"the exact distance of {len(one)} and {len(other)} points needs an assignment of "
            f"{count} and at most {MOST_ROWS} are taken: give equal counts, or fewer points"
        )
    costs = squared_distances(
        np.repeat(one, count // len(one), axis=0), np.repeat(other, count // len(other), axis=0)
    )
    rows, columns = linear_sum_assignment(costs)
    return float(costs[rows, columns].mean() / 2)


def between(one: ArrayLike, other: ArrayLike) -> float:
    """Half the squared 2-Wasserstein distance of two arrays of rows.

    Raises:
        InputError: a side is empty or not finite, the widths differ, or there are too many rows.

    Example:
        >>> between([[0.0], [1.0]], [[1.0], [2.0]])
        0.5
    """
    return compute(as_samples(one, name="points"), as_samples(other, name="points"))


def sinkhorn_divergence(
    one: Float[np.ndarray, "rows d"],
    other: Float[np.ndarray, "others d"],
    *,
    epsilon: float | None = None,
) -> float:
    r"""The Sinkhorn divergence with squared Euclidean cost, by ott-jax.

    It tends to $W_2^2$ as the regulariser goes to 0.

    Args:
        one: at least one row.
        other: rows of the same width.
        epsilon: the entropic regulariser, in units of the cost; None for a twentieth of the spread
            of the costs.

    Raises:
        InputError: a side is empty or not finite, the widths differ, or ott-jax is not installed.
    """
    sides = [as_samples(side, name="points") for side in (one, other)]
    check_width(sides[0].shape[1], sides[1].shape[1], name="points")
    pointcloud, divergence = _ott("ott.geometry.pointcloud"), _ott("ott.tools.sinkhorn_divergence")
    found, _ = divergence.sinkhorn_divergence(
        pointcloud.PointCloud, *(side.astype(np.float32) for side in sides), epsilon=epsilon
    )
    return float(found)


def _ott(module: str) -> Any:
    """A module of ott-jax, which is an extra."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            "the Sinkhorn divergence needs ott-jax: pip install 'ganntk[transport]'"
        ) from error
