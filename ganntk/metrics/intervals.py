r"""Confidence intervals by leaving out groups of rows: for any measure whose states merge. Layer 2.

The delete-group jackknife. With $\theta_{-j}$ the measure without group $j$ of $g$,

$$ s^2 = \tfrac{g - 1}{g} \sum_j (\theta_{-j} - \bar{\theta})^2 $$

and the interval is $\theta \pm t_{g-1} s$. A bootstrap repeats rows, and a distance sees the
repeats as copies: it would be too large, the more so the fewer rows there are.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from scipy.special import stdtrit

from ganntk.errors import InputError

LEVEL = 0.95
GROUPS = 10

S = TypeVar("S")


class Estimate(NamedTuple):
    """A number and the interval that it is known to, at 95 %.

    Attributes:
        value: of all rows.
        low: lower end; equal to the value where nothing is known of its error.
        high: upper end.
    """

    value: float
    low: float
    high: float


def jackknife(
    groups: Sequence[S],
    merge: Callable[[S, S], S],
    compute: Callable[[S], Mapping[str, float]],
) -> dict[str, Estimate]:
    """Measure all rows, and without each group.

    Args:
        groups: states of disjoint groups of rows of about one size, at least two.
        merge: of two states.
        compute: named numbers of a state.

    Returns:
        An estimate for each name.

    Raises:
        InputError: there are fewer than two groups.

    Example:
        >>> mean = lambda rows: {"mean": float(np.mean(rows))}
        >>> found = jackknife([[0.0, 1.0], [2.0, 3.0]], lambda a, b: a + b, mean)
        >>> found["mean"].value
        1.5
    """
    g = len(groups)
    if g < 2:
        raise InputError(f"an interval from {g} groups of rows: give at least two")
    # before[j] merges the groups up to j, after[j] those from j on: 2 g merges, not g^2.
    before, after = [groups[0]], [groups[-1]]
    for low, high in zip(groups[1:], reversed(groups[:-1]), strict=True):
        before.append(merge(before[-1], low))
        after.insert(0, merge(high, after[0]))
    left_out = [after[1]]
    left_out += [merge(before[j - 1], after[j + 1]) for j in range(1, g - 1)]
    left_out.append(before[-2])
    whole, without = compute(before[-1]), [compute(state) for state in left_out]
    return {
        name: _estimate(value, np.array([each[name] for each in without]))
        for name, value in whole.items()
    }


def from_error(value: float, standard_error: float) -> Estimate:
    """The interval of a normally distributed estimate."""
    reach = 1.959963984540054 * standard_error
    return Estimate(value, value - reach, value + reach)


def groups_of(count: int, groups: int = GROUPS) -> list[slice]:
    """Slices of about equal length that cut `count` rows into at most `groups` groups.

    Example:
        >>> groups_of(5, 2)
        [slice(0, 2, None), slice(2, 5, None)]
    """
    edges = np.linspace(0, count, min(groups, count) + 1).astype(int)
    return [slice(int(low), int(high)) for low, high in itertools.pairwise(edges)]


def _estimate(value: float, without: np.ndarray) -> Estimate:
    g = len(without)
    error = np.sqrt((g - 1) / g * ((without - without.mean()) ** 2).sum())
    reach = float(stdtrit(g - 1, (1 + LEVEL) / 2) * error)
    return Estimate(value, value - reach, value + reach)
