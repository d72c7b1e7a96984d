"""Drawings of a sweep as inline SVG: curves, importance, parallel coordinates, front. Layer 4."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from ganntk.report.curves import LINE, POINTS, REAL, SOFT, new_axes, svg_of, value_axis

_SIZE = (5.4, 3.2)
_FEWEST_FOR_IMPORTANCE = 8

Tried = Sequence[tuple[Mapping[str, Any], float]]
"""Values of a trial by key, and its objective."""


def curves(metric: str, series: Sequence[Sequence[tuple[float, float]]]) -> str:
    """The objective of every trial over the steps; where one ends early it has a dot."""
    figure, axes = new_axes(_SIZE)
    drawn = [np.asarray(each, float) for each in series if len(each)]
    longest = max((each[-1, 0] for each in drawn), default=0.0)
    for each in drawn:
        axes.plot(each[:, 0], each[:, 1], color=REAL, linewidth=1.1, alpha=0.6)
        if each[-1, 0] < longest:
            axes.plot(*each[-1], "o", color=POINTS, markersize=3)
    axes.set_xlabel("step")
    values = np.concatenate([each[:, 1] for each in drawn]) if drawn else np.zeros(1)
    value_axis(axes, values, log=bool((values > 0).all()))
    return svg_of(figure, "sweep-curves", f"{metric} of every trial over the steps")


def importance(tried: Tried) -> str | None:
    """What each key contributes to the objective; None where there are too few trials."""
    keys = list(dict.fromkeys(key for values, _ in tried for key in values))
    if len(tried) < _FEWEST_FOR_IMPORTANCE or len(keys) < 2:
        return None
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    table = np.stack([_coordinates(tried, key) for key in keys], axis=1)
    ranks = np.argsort(np.argsort([value for _, value in tried])).astype(float)
    forest = RandomForestRegressor(n_estimators=200, random_state=0).fit(table, ranks)
    found = permutation_importance(forest, table, ranks, n_repeats=10, random_state=0)
    lost = np.maximum(np.asarray(found["importances_mean"], np.float64), 0.0)
    shares = lost / lost.sum() if lost.sum() > 0 else lost
    order = np.argsort(shares)
    figure, axes = new_axes(_SIZE)
    axes.barh([keys[i] for i in order], shares[order], color=POINTS, height=0.6)
    axes.tick_params(axis="y", length=0, labelsize=9)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the importance")
    from matplotlib.ticker import FixedLocator

    axes.xaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    return svg_of(figure, "sweep-importance", "importance of each key")


def parallel(metric: str, mode: str, tried: Tried) -> str:
    """Each trial as a line through its values; the last axis is the objective, best above."""
    keys = list(dict.fromkeys(key for values, _ in tried for key in values))
    columns = [_coordinates(tried, key) for key in keys]
    objective = np.array([value for _, value in tried])
    order = np.argsort(np.argsort(objective if mode == "max" else -objective))
    rank = order / max(1, len(order) - 1)
    table = np.stack([*map(_unit, columns), rank], axis=1)
    figure, axes = new_axes((5.4, 3.6))
    places = np.arange(table.shape[1])
    for line, good in sorted(zip(table, rank, strict=True), key=lambda pair: pair[1]):
        colour = POINTS if good > 0.8 else REAL
        axes.plot(places, line, color=colour, linewidth=1.2, alpha=float(0.15 + 0.75 * good))
    for place in places:
        axes.axvline(place, color=LINE, linewidth=1)
    for place, key in enumerate(keys):
        low, high = _ends(tried, key)
        for y, text in ((-0.06, low), (1.03, high)):
            axes.text(place, y, text, color=SOFT, size=8, ha="center")
    axes.set_xticks(places, [*(key.rsplit(".", 1)[-1] for key in keys), f"rank of\n{metric}"])
    axes.tick_params(axis="x", labelsize=8)
    axes.set_yticks([])
    axes.set_ylim(-0.12, 1.12)
    return svg_of(figure, "sweep-parallel", "values of every trial")


def scatter(x: str, y: str, points: Sequence[tuple[float, float, bool]]) -> str:
    """Two objectives of every trial; those of the front are marked."""
    figure, axes = new_axes(_SIZE)
    for colour, is_front in ((REAL, False), (POINTS, True)):
        chosen = np.array([point[:2] for point in points if point[2] is is_front])
        if len(chosen):
            axes.plot(chosen[:, 0], chosen[:, 1], "o", color=colour, markersize=5)
    axes.set_xlabel(x)
    axes.set_ylabel(y, color=SOFT, size=9.5)
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5))
    value_axis(axes, np.array([point[1] for point in points]), log=False)
    return svg_of(figure, "sweep-front", f"{y} over {x}")


def _coordinates(tried: Tried, key: str) -> Float[np.ndarray, " trials"]:
    """The values of a key as numbers: logarithms where they span decades, places of words.

    A trial that has none, because a condition did not hold, stands below the others.
    """
    given = [values.get(key) for values, _ in tried]
    numbers = [v for v in given if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) == sum(value is not None for value in given):
        found = np.array([np.nan if v is None else float(v) for v in given])
        if numbers and min(numbers) > 0 and max(numbers) > 10 * min(numbers):
            found = np.log(found)
    else:
        known = sorted({str(value) for value in given if value is not None})
        found = np.array([np.nan if v is None else known.index(str(v)) for v in given], float)
    present = found[np.isfinite(found)]
    low, high = present.min(), present.max()
    return np.where(np.isfinite(found), found, low - 0.2 * (high - low))


def _unit(values: Float[np.ndarray, " trials"]) -> Float[np.ndarray, " trials"]:
    low, high = values.min(), values.max()
    return np.full_like(values, 0.5) if low == high else (values - low) / (high - low)


def _ends(tried: Tried, key: str) -> tuple[str, str]:
    from ganntk.report.numbers import number

    given = [values[key] for values, _ in tried if values.get(key) is not None]
    if all(isinstance(value, int | float) for value in given):
        return number(min(given), 3), number(max(given), 3)
    known = sorted({str(value) for value in given})
    return known[0], known[-1]
