"""The page of a report: its sections, each left out when the run has nothing for it. Layer 4."""

from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np

from ganntk.report import curves, novelty, pictures
from ganntk.report.contents import Contents
from ganntk.report.numbers import fixed, number, seconds
from ganntk.report.quality import tables
from ganntk.run_folder import Rows


def render(run: Contents) -> str:
    """The whole page as HTML that needs nothing outside itself."""
    drawn = (
        _rows,
        _samples,
        _interpolations,
        _curves,
        _checks,
        _nearest,
        _quality,
        _facts,
    )
    return Template(_resource("page.html")).substitute(
        name=escape(run.name),
        status="finished" if run.is_finished else "unfinished",
        lede=_lede(run),
        numbers=_numbers(run),
        sections="\n".join(filter(None, (section(run) for section in (*drawn, _configuration)))),
        run_uri=escape(run.run_uri),
        style=_resource("page.css"),
        script=_resource("page.js"),
    )


def _resource(name: str) -> str:
    """A text file that lies beside this module."""
    return files("ganntk.report").joinpath(name).read_text(encoding="utf-8")


def _lede(run: Contents) -> str:
    """One line: what was made from what."""
    made, given = run.generated, run.real
    parts = []
    if made is not None and given is not None:
        noun = "points" if pictures.are_plane_points(made.rows) else "images"
        parts.append(f"{number(len(made.rows))} {noun} from {number(len(given))} real ones")
    parts += [f"{key} {_choice(run.result[key])}" for key in _CHOICES if key in run.result]
    return escape(" · ".join(parts))


_CHOICES = ("data", "kernel", "seed")


def _choice(value: Any) -> str:
    """A part of the configuration in a word: its type, where it is a mapping."""
    return str(value.get("type", value)) if isinstance(value, Mapping) else str(value)


def _numbers(run: Contents) -> str:
    """The six numbers at the top."""
    steps = run.latest("steps")
    shown = {
        "steps": number(run.latest("step") if steps is None else steps),
        "loss per real row": number(run.latest("loss_per_real")),
        "lam": number(run.latest("lam")),
        "time": seconds(_first(run.latest("seconds"), run.latest("elapsed_seconds"))),
        "images a second": number(run.latest("images_per_second"), digits=3),
        "points": number(_first(run.latest("points"), _count(run))),
    }
    return "\n".join(f"<div><dt>{key}</dt><dd>{value}</dd></div>" for key, value in shown.items())


def _first(value: Any, otherwise: Any) -> Any:
    """`value` unless it is missing."""
    return otherwise if value is None else value


def _count(run: Contents) -> int | None:
    """How many generated rows were saved."""
    return len(run.generated.rows) if run.generated else None


def _section(title: str, note: str, body: str) -> str:
    """A titled section with one sentence under the title."""
    return f'<section>\n<h2>{title}</h2>\n<p class="note">{note}</p>\n{body}\n</section>'


def _figure(caption: str, body: str, kind: str = "card") -> str:
    """A drawing with its caption above it."""
    return f'<figure class="{kind}"><figcaption>{caption}</figcaption>{body}</figure>'


def _rows(run: Contents) -> str:
    """Real and generated rows side by side, or over each other in the plane."""
    if run.generated is None or run.real is None:
        return ""
    if pictures.are_plane_points(run.generated.rows):
        drawing = curves.scatter("rows", "real and generated points", run.real, run.generated.rows)
        key = _values({"real": "", "points": ""})
        body = _figure(f"Points in the plane {key}", drawing, "card square")
        return _section("Real and generated", "The generated points over the real ones.", body)
    both = _grid("Real", run.real) + _grid("Generated", run.generated.rows)
    note = "What the run was given, and what it made."
    return _section("Real and generated", note, f'<div class="two">{both}</div>')


def _grid(title: str, rows: Rows) -> str:
    """The first rows of a set, and how many there are."""
    shown = pictures.shown(rows)
    count = f"{number(shown)} of {number(len(rows))}" if shown < len(rows) else number(shown)
    caption = f'{title} <span class="values">{count}</span>'
    return _figure(caption, pictures.grid(rows, f"{shown} {title.lower()} rows"))


def _samples(run: Contents) -> str:
    """The generated rows at several steps: one picture at a time, and what was measured there."""
    if not run.samples:
        return ""
    last = max(run.samples)
    is_plot = run.generated is not None and pictures.are_plane_points(run.generated.rows)
    kind = "plot" if is_plot else "sheet"
    frames = "\n".join(
        pictures.img(png, f"generated rows at step {step}", kind).replace(
            "<img", f'<img data-step="{step}"' + ("" if step == last else " hidden"), 1
        )
        for step, png in run.samples.items()
    )
    player = (
        '<div class="player" hidden><button type="button" aria-label="Play">▶</button>'
        f'<input type="range" min="0" max="{len(run.samples) - 1}" step="1" '
        'aria-label="step of the samples"><output></output></div>'
    )
    film = f'<figure class="card"><div class="frames">{frames}</div>{player}</figure>'
    table = f'<div class="card">{_steps(run)}</div>'
    note = "The same rows at each step that was saved" + (
        ", real ones in grey." if is_plot else "."
    )
    return _section("How the samples grew", note, f'<div class="two top">{film}{table}</div>')


def _steps(run: Contents) -> str:
    """Loss and discriminator at the steps of the samples, as a table."""
    names = {"loss_per_real": "loss per real row", "d_points": "D, generated"}
    head = "".join(f'<th scope="col">{text}</th>' for text in ("step", *names.values()))
    body = "\n".join(
        f'<tr><th scope="row">{number(step)}</th>'
        + "".join(f"<td>{fixed(run.at(step, name))}</td>" for name in names)
        + "</tr>"
        for step in run.samples
    )
    return f'<table class="steps"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _curves(run: Contents) -> str:
    """The series of the run over the step."""
    drawn = [
        _curve(run, "Loss per real row", {"loss_per_real": curves.INK}),
        _curve(run, "Loss, logarithmic", {"loss_per_real": curves.INK}, log=True),
        _curve(run, "Mean D", {"d_real": curves.REAL, "d_points": curves.POINTS}),
        _curve(run, "Gradient norm", {"gradient_norm": curves.INK}, log=True),
        _curve(run, "lam", {"lam": curves.INK}),
        *_levels(run),
        _histogram(run),
    ]
    body = "\n".join(filter(None, drawn))
    note = "D is what the discriminator says: 1 for real, 0 for generated."
    return _section("Curves", note, f'<div class="plots">{body}</div>') if body else ""


def _curve(run: Contents, title: str, colours: Mapping[str, str], *, log: bool = False) -> str:
    """One drawing with the last value of each line in its caption; nothing when none was kept."""
    series = {name: run.series(name) for name in colours}
    kept = {name: values for name, values in series.items() if np.isfinite(values[:, 1]).any()}
    if not kept:
        return ""
    kinds = {"d_real": "real", "d_points": "points"}
    last = {kinds.get(name, ""): _last(values, len(kept)) for name, values in kept.items()}
    identity = "-".join(kept) + ("-log" if log else "")
    alt = f"{title} over the step, ending at {' and '.join(last.values())}"
    lines = {colours[name]: values for name, values in kept.items()}
    return _figure(f"{title} {_values(last)}", curves.curve(identity, alt, lines, log=log))


def _levels(run: Contents) -> list[str]:
    """A drawing of the objective of each resolution."""
    drawn = []
    for side, series in run.labelled("level_loss", "level").items():
        title = f"Loss at {side} pixels"
        alt = f"{title} over the step, ending at {_last(series, 1)}"
        caption = f"{title} {_values({'': _last(series, 1)})}"
        line = {curves.INK: series}
        drawn.append(_figure(caption, curves.curve(f"level-{side}", alt, line, log=True)))
    return drawn


def _last(series: curves.Series, lines: int) -> str:
    """The last value of a line, shorter where it shares its caption with another one."""
    value = float(series[-1, 1])
    return number(value) if lines == 1 else fixed(value, digits=3)


def _values(by_kind: Mapping[str, str]) -> str:
    """Values at the right of a caption, with the colour of their line: the drawing's key."""
    words = {"real": "real", "points": "generated", "": ""}
    spans = (
        f'<span class="{kind}">{f"{words[kind]} {value}".strip()}</span>'
        for kind, value in by_kind.items()
    )
    return f'<span class="values">{"".join(spans)}</span>'


def _histogram(run: Contents) -> str:
    """How D is spread over the generated rows at the end."""
    if run.generated is None or not np.isfinite(run.generated.d).all():
        return ""
    d = run.generated.d
    alt = f"histogram of D over {len(d)} generated rows, from {number(float(d.min()))} "
    alt += f"to {number(float(d.max()))}"
    caption = f'D of each generated row <span class="values">{number(len(d))} rows</span>'
    return _figure(caption, curves.histogram("d-histogram", alt, d))


def _nearest(run: Contents) -> str:
    """Generated images above their nearest real ones."""
    if run.generated is None or run.real is None or not pictures.are_images(run.real):
        return ""
    body = pictures.pairs(run.generated, run.real)
    if not body:
        return ""
    note = (
        "Above a generated image, below it the real image nearest to it, their Euclidean distance "
        "and structural similarity (1 is a copy): from the closest pair of the run to the "
        "farthest, evenly by rank."
    )
    return _section("Nearest real images", note, f'<div class="pairs">{body}</div>')


def _checks(run: Contents) -> str:
    """How new and how faithful the rows were along the run, where it was watched."""
    drawn = novelty.drawings(run)
    if not drawn:
        return ""
    note = (
        f"{escape(novelty.sentence(run))} A memorisation score of 0.5 says that generated rows are "
        "as near to the training rows as fresh real rows are, 1 that they are copies."
    )
    body = "\n".join(_figure(caption, drawing) for caption, drawing in drawn)
    return _section("Fidelity and novelty", note, f'<div class="plots">{body}</div>')


def _interpolations(run: Contents) -> str:
    """Rows on the way from one code to another, where a generator was sampled."""
    if run.interpolations is None:
        return ""
    drawing = pictures.img(run.interpolations, "rows between pairs of codes", "sheet")
    note = "In each line the generator's code turns evenly from one random code to another."
    return _section("Between codes", note, f'<figure class="card">{drawing}</figure>')


def _quality(run: Contents) -> str:
    """What `ganntk evaluate` measured, beside the baselines."""
    if not run.quality:
        return ""
    note = (
        f"Generated rows and three baselines against {number(run.quality['reference_count'])} rows "
        f"of {escape(run.quality['reference'])}, with 95 % intervals. AM-SSIM and memorisation say "
        "how near a set is to the training rows: fresh held-out rows are the measure."
    )
    return _section("Quality", note, tables(run.quality))


def _facts(run: Contents) -> str:
    """Timings by phase, the machine and the versions."""
    cards = [
        _card("Time by phase", _phases(run)),
        _card("Machine", _table(run.result.get("machine", {}))),
        _card("Versions", _table(run.result.get("versions", {}))),
    ]
    body = "\n".join(filter(None, cards))
    note = "Where the time went, and what the run was made with."
    return (
        _section("Time, machine, versions", note, f'<div class="facts">{body}</div>')
        if body
        else ""
    )


def _card(title: str, body: str) -> str:
    """A titled card, or nothing when it would be empty."""
    return f'<div class="card"><h3>{title}</h3>{body}</div>' if body else ""


def _phases(run: Contents) -> str:
    """Seconds of each phase with a bar for its share, the longest first."""
    phases = run.result.get("phase_seconds") or {
        record["labels"]["phase"]: record["phase_seconds"]
        for record in run.metrics
        if "phase_seconds" in record
    }
    longest = max(phases.values(), default=0.0)
    ordered = sorted(phases.items(), key=lambda item: -item[1])
    rows = (
        f'<tr><td>{escape(str(name))}<span class="bar" style="width:'
        f'{100 * spent / longest if longest else 0:.3g}%"></span></td>'
        f"<td>{seconds(spent)}</td></tr>"
        for name, spent in ordered
    )
    return _body(rows, "phases")


def _table(entries: Mapping[str, Any]) -> str:
    """Names and values in two columns."""
    return _body(
        f'<tr><th scope="row">{escape(str(name).replace("_", " "))}</th>'
        f"<td>{escape(number(value))}</td></tr>"
        for name, value in entries.items()
    )


def _body(rows: Iterable[str], kind: str = "names") -> str:
    """A table of these rows, or nothing."""
    text = "\n".join(rows)
    return f'<table class="{kind}"><tbody>{text}</tbody></table>' if text else ""


def _configuration(run: Contents) -> str:
    """The resolved configuration, folded."""
    body = (
        "<details><summary>config.yaml</summary>"
        f'<pre class="card" tabindex="0"><code>{escape(run.config)}</code></pre></details>'
    )
    return _section("Configuration", "Every setting of the run, defaults included.", body)
