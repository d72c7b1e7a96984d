"""Drawings of a sweep as inline SVG, in the page's colours. Layer 4."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ganntk.report.curves import (
    INK,
    LINE,
    POINTS,
    REAL,
    SOFT,
    Series,
    new_axes,
    svg_of,
    value_axis,
)
from ganntk.report.numbers import number

_FONT = 9.5
_FAINTEST, _STRONGEST = 0.15, 0.75


class Axis:
    """One vertical axis of parallel coordinates: numbers, on a logarithm where they span decades.

    Args:
        name: written above it.
        values: one for each trial; words for a choice, None where a trial has none.
    """

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        self.name = name
        known = [v for v in values if v is not None]
        self.is_number = bool(known) and all(isinstance(v, int | float) for v in known)
        if self.is_number:
            finite = [v for v in known if math.isfinite(v)] or [0.0]
            self._low, self._high = min(finite), max(finite)
            self.is_log = self._low > 0 and self._high > 10 * self._low
        else:
            self._words = sorted({str(v) for v in known})

    def at(self, value: Any) -> float:
        """The height of a value between 0 and 1; NaN where there is none."""
        if value is None or (self.is_number and not math.isfinite(value)):
            return math.nan
        if not self.is_number:
            return (self._words.index(str(value)) + 0.5) / len(self._words)
        low, high = self._scaled(self._low), self._scaled(self._high)
        return 0.5 if low == high else (self._scaled(value) - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Heights and what is written there."""
        if not self.is_number:
            return [(self.at(word), _short(word)) for word in self._words]
        if self._low == self._high:
            return [(0.5, number(self._low, 3))]
        return [(0.0, number(self._low, 3)), (1.0, number(self._high, 3))]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.is_log else value


def parallel(name: str, alt: str, axes: Sequence[Axis], rows: Sequence[Sequence[Any]]) -> str:
    """One line for each trial through its values, stronger the better it is.

    Args:
        name: a word that no other drawing of the page has.
        alt: what it shows, in words.
        axes: from left to right.
        rows: the values of each trial in the order of the axes, the best trial first.
    """
    figure, drawn = new_axes((max(5.0, 1.75 * len(axes)), 3.2))
    places = np.arange(len(axes))
    count = max(1, len(rows) - 1)
    for rank in reversed(range(len(rows))):
        heights = [axis.at(value) for axis, value in zip(axes, rows[rank], strict=True)]
        alpha = _STRONGEST + (_FAINTEST - _STRONGEST) * rank / count
        best = rank == 0
        drawn.plot(
            places,
            heights,
            color=POINTS if best else REAL,
            alpha=1.0 if best else alpha,
            linewidth=2.2 if best else 1.2,
            marker="o",
            markersize=4 if best else 2.5,
            clip_on=False,
        )
    for place, axis in enumerate(axes):
        drawn.axvline(place, color=LINE, linewidth=1, zorder=0)
        is_left = place == 0
        for height, text in axis.ticks():
            drawn.annotate(
                text,
                (place, height),
                xytext=(-7 if is_left else 7, 0),
                textcoords="offset points",
                ha="right" if is_left else "left",
                va="center",
                color=SOFT,
                size=_FONT - 1,
                annotation_clip=False,
            )
    drawn.set_xticks(places, [axis.name for axis in axes])
    drawn.xaxis.tick_top()
    drawn.tick_params(axis="x", labelcolor=INK, length=0)
    drawn.set_ylim(-0.06, 1.06)
    drawn.set_xlim(-0.45, len(axes) - 0.6)
    _bare(drawn)
    return svg_of(figure, name, alt)


def learning(name: str, alt: str, curves: Sequence[Series], label: str) -> str:
    """The measure of each trial over its steps; the first curve is the best trial's."""
    figure, drawn = new_axes((9.0, 3.2))
    for rank in reversed(range(len(curves))):
        steps, values = curves[rank].T
        best = rank == 0
        drawn.plot(
            steps,
            values,
            color=POINTS if best else REAL,
            alpha=1.0 if best else 0.4,
            linewidth=2.2 if best else 1.1,
            marker="o" if len(steps) == 1 else "",
            markersize=3,
        )
    drawn.set_xlabel("step")
    drawn.set_ylabel(label, color=SOFT, size=_FONT)
    values = np.concatenate([curve[:, 1] for curve in curves])
    kept = values[np.isfinite(values)]
    spans = len(kept) > 0 and kept.min() > 0 and kept.max() > 10 * kept.min()
    value_axis(drawn, values, log=bool(spans))
    return svg_of(figure, name, alt)


def front(
    name: str,
    alt: str,
    labels: tuple[str, str],
    points: Series,
    chosen: Sequence[tuple[int, float, float]],
) -> str:
    """Two measures of all trials, and the front among them with the numbers of its trials.

    Args:
        name: a word that no other drawing of the page has.
        alt: what it shows, in words.
        labels: of the two axes.
        points: of all trials that ended well.
        chosen: number and measures of each trial of the front.
    """
    figure, drawn = new_axes((5.4, 3.6))
    drawn.plot(*points.T, color=REAL, linestyle="", marker="o", markersize=5, alpha=0.5)
    line = np.asarray(sorted((x, y) for _, x, y in chosen))
    drawn.plot(*line.T, color=POINTS, linewidth=1.2, marker="o", markersize=6, drawstyle="default")
    for trial, x, y in chosen:
        drawn.annotate(
            str(trial), (x, y), xytext=(6, 4), textcoords="offset points", color=INK, size=_FONT
        )
    drawn.set_xlabel(labels[0])
    drawn.set_ylabel(labels[1], color=SOFT, size=_FONT)
    drawn.xaxis.set_major_locator(MaxNLocator(4))
    drawn.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 3)))
    value_axis(drawn, points[:, 1], log=False)
    return svg_of(figure, name, alt)


def _bare(drawn: Axes) -> None:
    drawn.set_yticks([])
    drawn.grid(visible=False)
    drawn.spines["bottom"].set_visible(False)


def _short(word: str) -> str:
    return word if len(word) <= 18 else word[:17] + "…"
