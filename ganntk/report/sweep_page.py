"""A sweep as one HTML page: table, front with pictures, drawings. Layer 4."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from ganntk import storage
from ganntk.errors import InputError
from ganntk.report import sweep_plots
from ganntk.report.numbers import number
from ganntk.run_folder import RunFolder

_MOST_THUMBNAILS = 6


@dataclass(frozen=True)
class Trial:
    """One run of a sweep.

    Attributes:
        name: Tune's word for it.
        run_uri: its run folder.
        values: dotted configuration key -> what was tried.
        series: name -> the last value.
        state: ``finished``, ``ended early``, ``failed`` or ``not begun``.
        reason: why it failed.
        curve: step and first objective.
    """

    name: str
    run_uri: str
    values: Mapping[str, Any]
    series: Mapping[str, float]
    state: str
    reason: str = ""
    curve: Sequence[tuple[float, float]] = field(default=())


def render(
    uri: str, objectives: Mapping[str, str], trials: Sequence[Trial], best: Trial | None
) -> str:
    """The whole page as HTML that needs nothing outside itself.

    Args:
        uri: the sweep's folder.
        objectives: series -> min or max; the first decides.
        trials: all of them.
        best: of them, or None where all failed.
    """
    sections = [
        _drawings(objectives, trials),
        _front(objectives, trials),
        _table(objectives, trials, best),
    ]
    name = uri.rstrip("/").rsplit("/", 1)[-1]
    ended = all(trial.state != "not begun" for trial in trials)
    page = Template(_resource("page.html")).substitute(
        name=escape(name),
        status="finished" if ended else "unfinished",
        lede=_lede(objectives, trials, best),
        numbers=_numbers(objectives, trials, best),
        sections="\n".join(filter(None, sections)),
        run_uri=escape(uri),
        style=_resource("page.css"),
        script="",
    )
    return page.replace("Synthesis report", "Sweep")


def front_of(objectives: Mapping[str, str], trials: Sequence[Trial]) -> list[Trial]:
    """The trials that no other is better than in one objective and as good in all.

    With one objective that is the best trial alone.
    """
    scored = [
        (trial, tuple(_signed(trial, name, mode) for name, mode in objectives.items()))
        for trial in trials
        if trial.state != "failed" and all(name in trial.series for name in objectives)
    ]
    return [
        trial
        for trial, score in scored
        if not any(
            other != score and all(o <= s for o, s in zip(other, score, strict=True))
            for _, other in scored
        )
    ]


def _signed(trial: Trial, name: str, mode: str) -> float:
    return trial.series[name] if mode == "min" else -trial.series[name]


def _lede(objectives: Mapping[str, str], trials: Sequence[Trial], best: Trial | None) -> str:
    goals = " and ".join(
        f"{'lowest' if mode == 'min' else 'highest'} {name}" for name, mode in objectives.items()
    )
    if best is None:
        return f"{len(trials)} trials for the {escape(goals)}; none came to a value."
    values = ", ".join(f"{key} {_shown(value)}" for key, value in best.values.items())
    return (
        f"{len(trials)} trials for the {escape(goals)}. The best is {escape(best.name)}: "
        f"{escape(values)}. best.yaml beside this page runs it."
    )


def _numbers(objectives: Mapping[str, str], trials: Sequence[Trial], best: Trial | None) -> str:
    states = [trial.state for trial in trials]
    metric = next(iter(objectives))
    steps = sum(trial.series.get("step", 0.0) for trial in trials)
    cells = {
        "trials": number(len(trials)),
        "finished": number(states.count("finished")),
        "ended early": number(states.count("ended early")),
        "failed": number(states.count("failed")),
        "steps in all": number(int(steps)),
        f"best {metric}": number(None if best is None else best.series[metric], 3),
    }
    return "\n".join(
        f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in cells.items()
    )


def _drawings(objectives: Mapping[str, str], trials: Sequence[Trial]) -> str:
    """Curves, importance, and what was tried; the names are those of the table."""
    (metric, mode), *_ = objectives.items()
    usable = [trial for trial in trials if trial.state != "failed" and metric in trial.series]
    if not usable:
        return ""
    figures = [("Along the steps", sweep_plots.curves(metric, [t.curve for t in usable]))]
    given = [(dict(trial.values), trial.series[metric]) for trial in usable]
    if (bars := sweep_plots.importance(given)) is not None:
        figures.append(("What decides it", bars))
    figures.append(("Values tried", sweep_plots.parallel(metric, mode, given)))
    body = "".join(
        f'<figure class="card"><figcaption>{title}</figcaption>{svg}</figure>'
        for title, svg in figures
    )
    note = (
        f"Each line is a trial, the better its {escape(metric)} the stronger. Importance is what a "
        "forest of trees loses when a value is shuffled; with few trials it is a hint."
    )
    return _section("What was tried", note, f'<div class="two top">{body}</div>')


def _front(objectives: Mapping[str, str], trials: Sequence[Trial]) -> str:
    """The trials that are best in their own way, with what they made."""
    front = sorted(
        front_of(objectives, trials), key=lambda trial: trial.series[next(iter(objectives))]
    )
    cards = "".join(_thumbnail(objectives, trial) for trial in front[:_MOST_THUMBNAILS])
    if not cards:
        return ""
    drawing = ""
    if len(objectives) > 1:
        names = list(objectives)[:2]
        points = [
            (trial.series[names[0]], trial.series[names[1]], trial in front)
            for trial in trials
            if trial.state != "failed" and all(name in trial.series for name in names)
        ]
        svg = sweep_plots.scatter(names[0], names[1], points)
        drawing = f'<figure class="card"><figcaption>Front</figcaption>{svg}</figure>'
    note = "No other trial is better in one objective without being worse in another."
    return _section(
        "The best in their own way", note, f'<div class="two top">{drawing}{cards}</div>'
    )


def _thumbnail(objectives: Mapping[str, str], trial: Trial) -> str:
    """The last picture of a trial."""
    try:
        pictures = RunFolder(trial.run_uri).sample_uris()
    except (OSError, InputError):
        pictures = {}
    values = ", ".join(f"{name} {number(trial.series[name], 3)}" for name in objectives)
    caption = f'{escape(trial.name)} <span class="values">{escape(values)}</span>'
    if not pictures:
        return f'<figure class="card"><figcaption>{caption}</figcaption></figure>'
    content = base64.b64encode(storage.read_bytes(pictures[max(pictures)])).decode()
    alt, source = escape(f"rows of {trial.name}"), f"data:image/png;base64,{content}"
    image = f'<img class="sheet" alt="{alt}" src="{source}">'
    return f'<figure class="card"><figcaption>{caption}</figcaption>{image}</figure>'


def _table(objectives: Mapping[str, str], trials: Sequence[Trial], best: Trial | None) -> str:
    """Every trial, the best first."""
    (metric, mode), *_ = objectives.items()
    keys = list(dict.fromkeys(key for trial in trials for key in trial.values))
    sign = 1 if mode == "min" else -1
    far = float("inf")
    ordered = sorted(
        trials,
        key=lambda t: far if t.state == "failed" else sign * t.series.get(metric, sign * far),
    )
    titles = ("trial", "state", *keys, *objectives, "step")
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    body = "\n".join(_line(trial, keys, list(objectives), trial is best) for trial in ordered)
    card = (
        f'<div class="stack"><div class="card"><table class="measures"><thead><tr>{head}</tr>'
        f"</thead><tbody>{body}</tbody></table></div></div>"
    )
    return _section("All trials", "Also in trials.parquet, with every series.", card)


def _line(trial: Trial, keys: Sequence[str], objectives: Sequence[str], is_best: bool) -> str:
    cells = [
        escape(trial.name),
        escape(f"failed: {trial.reason[:120]}" if trial.reason else trial.state),
        *(escape(_shown(trial.values[key])) if key in trial.values else "" for key in keys),
        *(number(trial.series.get(name), 3) for name in (*objectives, "step")),
    ]
    mark = ' aria-current="true"' if is_best else ""
    return f"<tr{mark}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _shown(value: Any) -> str:
    return number(value, 3) if isinstance(value, int | float) else str(value)


def _section(title: str, note: str, body: str) -> str:
    return f'<section>\n<h2>{title}</h2>\n<p class="note">{note}</p>\n{body}\n</section>'


def _resource(name: str) -> str:
    return files("ganntk.report").joinpath(name).read_text(encoding="utf-8")
