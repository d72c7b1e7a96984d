"""Figures of experiments as PNG files: curves, and points of the plane. Layer 4."""

import io
import itertools
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase

from ganntk.report.curves import Series

Picture: TypeAlias = Float[np.ndarray, "h w c"]
"""Grey or coloured, in [0, 1]."""

_DPI = 130
_REAL, _POINTS, _SOFT = "#b8b8b8", "#c2410c", "#555555"
_COLOURS = ("#1d4ed8", "#c2410c", "#15803d", "#7e22ce", "#0f766e", "#a16207", "#111111")


def planes(panels: Mapping[str, Float[np.ndarray, "m 2"]], real: Float[np.ndarray, "n 2"]) -> bytes:
    """Points of the unit square, a panel for each set, over the real ones in grey.

    Args:
        panels: title -> points.
        real: drawn behind each.
    """
    figure = _figure((2.5 * len(panels), 2.75))
    for i, (title, points) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), i + 1)
        axes.plot(*real.T, "o", color=_REAL, markersize=4, markeredgewidth=0)
        axes.plot(*points.T, "o", color=_POINTS, markersize=2.5, markeredgewidth=0)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=(), yticks=())
        axes.set_title(title, fontsize=9, color=_SOFT)
    return _png(figure)


def lines(
    series: Mapping[str, Series],
    *,
    across: str,
    up: str,
    log_across: bool = False,
    log_up: bool = False,
    mark: float | None = None,
) -> bytes:
    """Lines with a key.

    Args:
        series: name -> pairs of values, across and up.
        across: title of the horizontal axis.
        up: title of the vertical axis.
        log_across: whether it is logarithmic.
        log_up: whether it is logarithmic; values of zero are left out.
        mark: where a vertical line stands.
    """
    figure = _figure((6.4, 3.6))
    axes = figure.add_subplot()
    if mark is not None:
        axes.axvline(mark, color=_SOFT, linestyle="--", linewidth=1)
    for (name, values), colour in zip(series.items(), itertools.cycle(_COLOURS), strict=False):
        shown = np.where(values[:, 1] > 0, values[:, 1], np.nan) if log_up else values[:, 1]
        axes.plot(values[:, 0], shown, label=name, color=colour, linewidth=1.6)
    axes.set_xscale("log" if log_across else "linear")
    axes.set_yscale("log" if log_up else "linear")
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    _plain(axes)
    axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def stages(
    curves: Mapping[str, Series | Mapping[str, Series]],
    pictures: Mapping[str, Picture],
    *,
    across: str = "step",
    log_across: bool = False,
    log_up: bool = False,
) -> bytes:
    """Curves, and below them pictures.

    Args:
        curves: title -> values across and up, a panel each; or several of them by name.
        pictures: title -> a picture in [0, 1].
        across: title of the horizontal axes.
        log_across: whether they are logarithmic.
        log_up: whether the vertical ones are.
    """
    figure = _figure((9, 5.2))
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=(1.1, 1)))
    for i, (title, values) in enumerate(curves.items()):
        axes = above.add_subplot(1, len(curves), i + 1)
        named = values if isinstance(values, Mapping) else {"": values}
        for (name, line), colour in zip(named.items(), itertools.cycle(_COLOURS), strict=False):
            axes.plot(*line.T, color=colour, linewidth=1.6, label=name)
        if len(named) > 1:
            axes.legend(frameon=False, fontsize=8)
        axes.set_title(title, fontsize=9, color=_SOFT)
        axes.set_xlabel(across, fontsize=8)
        axes.set_xscale("log" if log_across else "linear")
        axes.set_yscale("log" if log_up else "linear")
        _plain(axes)
    _show(below, pictures, len(pictures))
    return _png(figure)


def sheets(pictures: Mapping[str, Picture], *, columns: int = 4) -> bytes:
    """Pictures side by side, each under its title.

    Args:
        pictures: title -> a picture in [0, 1].
        columns: in a line.
    """
    columns = min(columns, len(pictures))
    height, width = next(iter(pictures.values())).shape[:2]
    lines, side = -(-len(pictures) // columns), 9.6 / columns
    figure = _figure((columns * side, lines * (side * height / width + 0.3)))
    _show(figure, pictures, columns)
    return _png(figure)


def _show(figure: FigureBase, pictures: Mapping[str, Picture], columns: int) -> None:
    lines = -(-len(pictures) // columns)
    for i, (title, picture) in enumerate(pictures.items()):
        axes = figure.add_subplot(lines, columns, i + 1)
        grey = picture.shape[-1] == 1
        shown = picture[..., 0] if grey else picture
        axes.imshow(shown, cmap="gray" if grey else None, vmin=0, vmax=1)
        axes.set_title(title, fontsize=9, color=_SOFT)
        axes.set_axis_off()


def _figure(size: Sequence[float]) -> Figure:
    figure = Figure(figsize=(size[0], size[1]), layout="constrained", dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure


def _plain(axes: Axes) -> None:
    axes.grid(visible=True, color="#e5e5e5", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=_SOFT)
    axes.spines[["top", "right"]].set_visible(False)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
