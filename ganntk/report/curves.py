"""Curves of a run as inline SVG that follows the page's colours, light or dark. Layer 4.

Matplotlib draws with a few stand-in colours, which are then replaced by the CSS variables of the
page; text stays text, in the page's font.
"""

import io
import re
from collections.abc import Mapping
from html import escape

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ganntk.report.numbers import number

Series = Float[np.ndarray, "records 2"]

INK, SOFT, LINE, REAL, POINTS = "#010101", "#010102", "#010103", "#010104", "#010105"
_VARIABLES = {
    INK: "var(--ink)",
    SOFT: "var(--soft)",
    LINE: "var(--line)",
    REAL: "var(--real)",
    POINTS: "var(--points)",
}
_SIZE = (4.4, 2.5)
_FONT = 9.5


def curve(
    name: str,
    alt: str,
    lines: Mapping[str, Series],
    *,
    log: bool = False,
    mark: float | None = None,
) -> str:
    """Lines over the step.

    Args:
        name: a word that no other drawing of the page has, made part of the ids.
        alt: what the drawing shows, in words.
        lines: colour -> steps and values.
        log: whether the value axis is logarithmic; values that are not positive are left out.
        mark: a step to draw a vertical line at.

    Returns:
        An `<svg>` element.
    """
    figure, axes = new_axes(_SIZE)
    if mark is not None:
        axes.axvline(mark, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
    for colour, series in lines.items():
        steps, values = series.T
        shown = np.where(values > 0, values, np.nan) if log else values
        marker = "o" if np.isfinite(shown).sum() == 1 else ""
        axes.plot(steps, shown, color=colour, linewidth=1.6, marker=marker, markersize=4)
    axes.set_xlabel("step")
    value_axis(axes, np.concatenate([series[:, 1] for series in lines.values()]), log=log)
    return svg_of(figure, name, alt)


def histogram(name: str, alt: str, values: Float[np.ndarray, " rows"]) -> str:
    """How often values of D occur among the generated rows, as an `<svg>` element."""
    figure, axes = new_axes(_SIZE)
    middle, half = float(values.max() + values.min()) / 2, float(np.ptp(values)) / 2
    reach = max(half, 0.01)  # equal values are one bar in the middle, not an axis without length
    axes.hist(values, bins=24, range=(middle - reach, middle + reach), color=POINTS, rwidth=0.86)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axes.set_xlabel("D")
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    return svg_of(figure, name, alt)


def path(
    name: str,
    alt: str,
    points: Float[np.ndarray, "checks 2"],
    *,
    titles: tuple[str, str],
    mark: int,
    log: bool,
) -> str:
    """The way of a run through two measures, from its first check to its last.

    Args:
        name: a word that no other drawing of the page has.
        alt: what the drawing shows, in words.
        points: both measures at each check.
        titles: of the two axes.
        mark: index of the check that is shown large.
        log: whether the second measure is on a logarithmic axis.

    Returns:
        An `<svg>` element.
    """
    figure, axes = new_axes(_SIZE)
    x, y = points.T
    shown = np.where(y > 0, y, np.nan) if log else y
    axes.plot(x, shown, color=INK, linewidth=1.2, marker="o", markersize=3, markeredgewidth=0)
    axes.plot(x[mark], shown[mark], color=POINTS, marker="o", markersize=9, markeredgewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(titles[0])
    axes.set_ylabel(titles[1], color=SOFT, size=_FONT)
    value_axis(axes, y, log=log)
    return svg_of(figure, name, alt)


def scatter(
    name: str, alt: str, real: Float[np.ndarray, "n 2"], points: Float[np.ndarray, "m 2"]
) -> str:
    """Real and generated points of a mixture in the plane, as an `<svg>` element."""
    figure, axes = new_axes((4.8, 4.8))
    size = float(np.clip(110 / np.sqrt(len(real)), 2, 7))
    style = {"linestyle": "", "marker": "o", "markeredgewidth": 0}
    axes.plot(*real.T, color=REAL, markersize=size, alpha=0.45, **style)
    axes.plot(*points.T, color=POINTS, markersize=0.8 * size, **style)
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid(visible=True, axis="x", color=LINE, linewidth=0.8)
    axes.spines["bottom"].set_visible(False)
    return svg_of(figure, name, alt)


def new_axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """An empty figure with one plain pair of axes."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="y", color=LINE, linewidth=0.8)
    axes.tick_params(length=0, pad=5, labelcolor=SOFT, labelsize=_FONT)
    axes.xaxis.label.set(color=SOFT, size=_FONT)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.spines[["top", "left", "right"]].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    return figure, axes


def value_axis(axes: Axes, values: Float[np.ndarray, " values"], *, log: bool) -> None:
    """Few, plainly written ticks, also on a logarithmic axis that spans less than a decade."""
    axes.yaxis.set_major_locator(MaxNLocator(4))
    if log:
        kept = values[np.isfinite(values) & (values > 0)]
        spans_decades = len(kept) > 0 and kept.max() > 10 * kept.min()
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(numticks=6) if spans_decades else MaxNLocator(4))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def svg_of(figure: Figure, name: str, alt: str) -> str:
    """The figure as an `<svg>` element with ids of its own and the page's colours."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text.replace("<svg", f'<svg class="plot" role="img" aria-label="{escape(alt)}"', 1)
