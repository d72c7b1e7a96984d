"""The page of a sweep: table, parallel coordinates, front, importance, learning curves. Layer 4.

It takes values and knows nothing of how a sweep is carried out.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from ganntk.report import pictures, sweep_drawings
from ganntk.report.curves import Series
from ganntk.report.numbers import fixed, number, seconds
from ganntk.report.sweep_drawings import Axis

TOOK_STEPS = ("FINISHED", "STOPPED")
"""States of trials whose steps a scheduler could save: one that failed or waits has saved none."""


@dataclass(frozen=True)
class TrialView:
    """One trial as the page shows it.

    Attributes:
        number: of the trial.
        state: a word.
        reason: of a failure.
        values: dotted key -> value.
        measures: name -> number, NaN where there is none.
        steps: that it took.
        seconds: that it took.
        curve: steps and the first measure.
    """

    number: int
    state: str
    reason: str
    values: Mapping[str, Any]
    measures: Mapping[str, float]
    steps: int
    seconds: float
    curve: Series


@dataclass(frozen=True)
class SweepView:
    """A sweep as the page shows it.

    Attributes:
        name: of the sweep.
        uri: its folder.
        keys: that were varied.
        measures: name -> ``min`` or ``max``; the first decides.
        trials: the best first.
        best: number of the best trial, or None.
        front: numbers of the trials on the front of the first two measures.
        thumbnails: number -> PNG of the trial's rows.
        importance: key -> share.
        grid_steps: steps that the trials of `TOOK_STEPS` would have taken without a scheduler.
        configuration: the sweep as YAML.
        best_configuration: the run of the best trial as YAML.
    """

    name: str
    uri: str
    keys: Sequence[str]
    measures: Mapping[str, str]
    trials: Sequence[TrialView]
    best: int | None
    front: Sequence[int]
    thumbnails: Mapping[int, bytes]
    importance: Mapping[str, float]
    grid_steps: int
    configuration: str
    best_configuration: str


def render(sweep: SweepView) -> str:
    """The whole page as HTML that needs nothing outside itself."""
    sections = (_thumbnails, _parallel, _front, _importance, _learning, _table, _configuration)
    return Template(_resource("sweep_page.html")).substitute(
        name=escape(sweep.name),
        lede=_lede(sweep),
        numbers=_numbers(sweep),
        sections="\n".join(filter(None, (section(sweep) for section in sections))),
        uri=escape(sweep.uri),
        style=_resource("page.css"),
        script=_resource("sweep_page.js"),
    )


def _resource(name: str) -> str:
    return files("ganntk.report").joinpath(name).read_text(encoding="utf-8")


def _lede(sweep: SweepView) -> str:
    asked = ", ".join(
        f"{'smallest' if mode == 'min' else 'largest'} {name}"
        for name, mode in sweep.measures.items()
    )
    return escape(f"{number(len(sweep.trials))} trials over {', '.join(sweep.keys)} for {asked}")


def _numbers(sweep: SweepView) -> str:
    """The six numbers at the top."""
    states = [trial.state for trial in sweep.trials]
    measure = next(iter(sweep.measures))
    best = next((t.measures[measure] for t in sweep.trials if t.number == sweep.best), None)
    steps = sum(trial.steps for trial in sweep.trials if trial.state in TOOK_STEPS)
    saved = 1 - steps / sweep.grid_steps if sweep.grid_steps else 0.0
    shown = {
        "trials": number(len(states)),
        "took all steps": number(states.count("FINISHED")),
        "ended early": number(states.count("STOPPED")),
        "failed": number(states.count("ERROR")),
        f"best {measure}": number(best),
        "steps saved": f"{100 * saved:.0f} %",
    }
    return "\n".join(f"<div><dt>{escape(k)}</dt><dd>{v}</dd></div>" for k, v in shown.items())


def _section(title: str, note: str, body: str) -> str:
    return f'<section>\n<h2>{title}</h2>\n<p class="note">{note}</p>\n{body}\n</section>'


def _thumbnails(sweep: SweepView) -> str:
    """Rows of the best trials."""
    if not sweep.thumbnails:
        return ""
    by_number = {trial.number: trial for trial in sweep.trials}
    figures = []
    for trial, png in sweep.thumbnails.items():
        said = (
            f"<span>{escape(name)} {number(value, 3)}</span>"
            for name, value in by_number[trial].measures.items()
        )
        values = f'<span class="values">{"".join(said)}</span>'
        caption = f"<figcaption>trial {trial} {values}</figcaption>"
        picture = pictures.img(png, f"rows of trial {trial}")
        figures.append(f'<figure class="card">{caption}{picture}</figure>')
    body = f'<div class="thumbs">{"".join(figures)}</div>'
    several = len(sweep.measures) > 1
    note = (
        "Rows of the trials on the front, the best in the first measure before the others."
        if several
        else "Rows at the end of the best trials, the best first."
    )
    return _section("What came out", note, body)


def _parallel(sweep: SweepView) -> str:
    """Parallel coordinates over the parameters and the measures."""
    kept = [t for t in sweep.trials if math.isfinite(t.measures[next(iter(sweep.measures))])]
    if not kept:
        return ""
    rows = [[*(_word(t.values.get(k)) for k in sweep.keys), *t.measures.values()] for t in kept]
    names = [*sweep.keys, *sweep.measures]
    axes = [Axis(name, [row[place] for row in rows]) for place, name in enumerate(names)]
    alt = f"parallel coordinates of {len(rows)} trials over {', '.join(names)}"
    drawing = sweep_drawings.parallel("parallel", alt, axes, rows)
    note = (
        "A line for each trial, fainter the worse it is in the first measure; the best is orange."
    )
    return _section("Parameters and measures", note, f'<div class="card wide">{drawing}</div>')


def _front(sweep: SweepView) -> str:
    """The front of two measures."""
    if len(sweep.measures) < 2 or not sweep.front:
        return ""
    one, other = list(sweep.measures)[:2]
    ended = [t for t in sweep.trials if t.state == "FINISHED"]
    points = np.asarray([[t.measures[one], t.measures[other]] for t in ended])
    points = points[np.isfinite(points).all(axis=1)]
    on_it = [trial for trial in ended if trial.number in sweep.front]
    chosen = [(trial.number, trial.measures[one], trial.measures[other]) for trial in on_it]
    alt = f"{one} and {other} of {len(points)} trials, {len(chosen)} of them on the front"
    drawing = sweep_drawings.front("front", alt, (one, other), points, chosen)
    note = "No trial is better in one measure than those in orange without being worse in another."
    return _section("The front", note, f'<div class="card square">{drawing}</div>')


def _importance(sweep: SweepView) -> str:
    """Bars of how much each parameter decides."""
    if not sweep.importance:
        return ""
    most = max(sweep.importance.values()) or 1.0
    rows = "\n".join(
        f'<tr><td>{escape(key)}<span class="bar" style="width:{100 * share / most:.3g}%"></span>'
        f"</td><td>{100 * share:.0f} %</td></tr>"
        for key, share in sweep.importance.items()
    )
    note = (
        "How much a random forest's prediction of the first measure loses when the parameter is "
        "permuted among trials. A hint, where trials are few."
    )
    body = f'<div class="card wide"><table class="shares"><tbody>{rows}</tbody></table></div>'
    return _section("What decides", note, body)


def _learning(sweep: SweepView) -> str:
    """The first measure over the steps."""
    curves = [trial.curve for trial in sweep.trials if len(trial.curve)]
    if not curves:
        return ""
    measure = next(iter(sweep.measures))
    alt = f"{measure} of {len(curves)} trials over the step"
    drawing = sweep_drawings.learning("learning", alt, curves, measure)
    note = "Each trial until it ended; the best is orange."
    return _section("Learning curves", note, f'<div class="card wide">{drawing}</div>')


def _table(sweep: SweepView) -> str:
    """All trials, the best first."""
    names = ["trial", "state", *sweep.keys, *sweep.measures, "steps", "time", "reason"]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "\n".join(_row(sweep, trial) for trial in sweep.trials)
    table = (
        f'<div class="card wide"><table class="measures trials"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
    note = "Each trial is a run folder, <code>trials/NUMBER</code>; the best first."
    return _section("Trials", note, table)


def _row(sweep: SweepView, trial: TrialView) -> str:
    cells = [f'<th scope="row" data-value="{trial.number}">{trial.number}</th>']
    cells.append(f"<td>{trial.state.lower()}</td>")
    cells += [_value_cell(trial.values.get(key)) for key in sweep.keys]
    cells += [
        _cell(value, fixed(value if math.isfinite(value) else None))
        for value in trial.measures.values()
    ]
    cells.append(_cell(trial.steps, number(trial.steps)))
    cells.append(_cell(trial.seconds, seconds(trial.seconds)))
    cells.append(f"<td>{escape(trial.reason)}</td>")
    kind = ' class="best"' if trial.number == sweep.best else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"


def _value_cell(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _cell(value, number(value))
    return f"<td>{escape(number(_word(value)))}</td>"


def _cell(value: float, text: str) -> str:
    return f'<td data-value="{value}">{text}</td>'


def _word(value: Any) -> Any:
    """A value as the page writes it: mappings by their type and what else they say."""
    if isinstance(value, Mapping):
        return " ".join(
            str(value[k]) for k in ("type", *sorted(set(value) - {"type"})) if k in value
        )
    return json.dumps(value) if isinstance(value, list | bool) else value


def _configuration(sweep: SweepView) -> str:
    parts = {"best.yaml": sweep.best_configuration, "sweep.yaml": sweep.configuration}
    body = "".join(
        f"<details><summary>{name}</summary>"
        f'<pre class="card" tabindex="0"><code>{escape(text)}</code></pre></details>'
        for name, text in parts.items()
        if text
    )
    note = "The best run, ready for <code>ganntk synthesize</code>; the sweep."
    return _section("Configuration", note, body)
