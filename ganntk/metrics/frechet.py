r"""The Fréchet distance between features, as if they were normally distributed. Layer 2.

$$ d^2 = \lVert \mu_1 - \mu_2 \rVert^2 +
   \mathrm{tr}\left(C_1 + C_2 - 2 (C_1 C_2)^{1/2}\right) $$

With the features of the published Inception network it is the FID; with others it has another name
and other numbers. Two distances are comparable only for equal counts of rows: few rows make it
larger.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from ganntk.metrics.samples import as_samples, check_count, check_width


class Moments(NamedTuple):
    """What the distance needs of a set of features: it adds up over shards.

    Attributes:
        rows: how many rows were seen.
        mean: of each feature.
        scatter: sum over rows of the outer products of deviations from the mean.
    """

    rows: int
    mean: Float64[np.ndarray, " d"]
    scatter: Float64[np.ndarray, "d d"]


class Normal(NamedTuple):
    """A normal distribution: computed once of what much is compared with.

    Attributes:
        mean: of each feature.
        trace: of the covariance C.
        factor: L of C = L L^T.
    """

    mean: Float64[np.ndarray, " d"]
    trace: float
    factor: Float64[np.ndarray, "d rank"]


def init(width: int) -> Moments:
    """The moments of no rows with `width` features."""
    return Moments(0, np.zeros(width), np.zeros((width, width)))


def update(state: Moments, features: ArrayLike) -> Moments:
    """The moments with more rows, features of shape (n, d).

    Raises:
        InputError: the rows are empty, not finite, or have another width.
    """
    rows = as_samples(features)
    mean = rows.mean(axis=0)
    centred = rows - mean
    return merge(state, Moments(len(rows), mean, centred.T @ centred))


def merge(one: Moments, other: Moments) -> Moments:
    """The moments of the rows of two shards.

    Deviations are taken from the common mean, so nothing cancels where means are large.

    Raises:
        InputError: the widths differ.
    """
    check_width(len(one.mean), len(other.mean))
    rows = one.rows + other.rows
    if rows == 0:
        return one
    gap = other.mean - one.mean
    mean = one.mean + gap * (other.rows / rows)
    between = np.outer(gap, gap) * (one.rows * other.rows / rows)
    return Moments(rows, mean, one.scatter + other.scatter + between)


def normal_of(state: Moments) -> Normal:
    """The normal distribution with these moments.

    Raises:
        InputError: they are of fewer than two rows.
    """
    check_count(state.rows, 2, what="the Fréchet distance")
    covariance = state.scatter / (state.rows - 1)
    with _one_thread():
        return Normal(state.mean, float(np.trace(covariance)), _factor(covariance))


def distance(one: Normal, other: Normal) -> float:
    r"""The squared Fréchet distance $d^2$ between two normal distributions.

    The trace of $(C_1 C_2)^{1/2}$ is the sum of the singular values of $L_1^T L_2$ with
    $C = L L^T$: nothing is inverted and no square root of a rounding error is taken twice, so
    covariances of fewer rows than features are as good as others.

    Raises:
        InputError: the widths differ.
    """
    check_width(len(one.mean), len(other.mean))
    gap = one.mean - other.mean
    with _one_thread():
        # tr (C1 C2)^(1/2) = || L1^T L2 ||_*
        common = np.linalg.svd(one.factor.T @ other.factor, compute_uv=False).sum()
    return float(max(gap @ gap + one.trace + other.trace - 2 * common, 0.0))


def compute(one: Moments, other: Moments) -> float:
    """The squared Fréchet distance between two sets of features.

    Raises:
        InputError: a side has fewer than two rows, or the widths differ.
    """
    check_width(len(one.mean), len(other.mean))
    return distance(normal_of(one), normal_of(other))


def between(generated: ArrayLike, real: ArrayLike) -> float:
    """The squared Fréchet distance between two arrays of features, shape (n, d) and (m, d).

    Raises:
        InputError: fewer than two rows, rows that are not finite, or different widths.

    Example:
        >>> round(between([[0.0], [2.0]], [[3.0], [5.0]]), 12)
        9.0
    """
    sides = [as_samples(generated, name="generated features"), as_samples(real)]
    one, other = (update(init(side.shape[1]), side) for side in sides)
    return compute(one, other)


def _one_thread() -> threadpool_limits:
    """LAPACK's threads wait for one another: beside other work they take many times longer."""
    return threadpool_limits(1, user_api="blas")


def _factor(covariance: Float64[np.ndarray, "d d"]) -> Float64[np.ndarray, "d rank"]:
    """L of C = L L^T, without the directions in which C has only rounding errors."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps
    return vectors[:, kept] * np.sqrt(values[kept])
