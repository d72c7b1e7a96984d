"""An experiment carried out: its table, beside what is published, and its figure. Layer 7."""

import json
from dataclasses import dataclass

from ganntk import config, storage
from ganntk.distributed.driver import Progress
from ganntk.errors import InputError
from ganntk.experiments.base import Cell, Findings
from ganntk.experiments.plans import Plan

_TABLE, _NUMBERS, _FIGURE, _RUN = "table.md", "table.json", "figure.png", "run.yaml"


@dataclass(frozen=True)
class Outcome:
    """Where an experiment left what.

    Attributes:
        table: Markdown: what was found, and what is published.
        figure: PNG.
        text: of the table.
    """

    table: str
    figure: str
    text: str


def carry_out(plan: Plan, folder: str, progress: Progress) -> Outcome:
    """Measure, and write `table.md`, `table.json`, `figure.png` and `run.yaml`.

    Args:
        plan: what to do.
        folder: a new one, on any storage.
        progress: told about phases and steps.

    Raises:
        InputError: the folder has a table already, or the run cannot be as planned.
    """
    target = storage.join(folder, _TABLE)
    if storage.exists(target):
        raise InputError(f"{folder} already holds an experiment: choose another folder with --to")
    storage.write_text(storage.join(folder, _RUN), config.dump(plan.run))
    found = plan.experiment.measure(plan.run, folder, progress)
    text = _text(plan, found)
    storage.write_text(target, text)
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    storage.write_text(storage.join(folder, _NUMBERS), json.dumps(rows, indent=2) + "\n")
    figure = storage.join(folder, _FIGURE)
    storage.write_bytes(figure, found.figure)
    return Outcome(target, figure, text)


def _text(plan: Plan, found: Findings) -> str:
    lines = [f"# {plan.title}", "", "Found here:", ""]
    lines += [_line(found.columns), _line(["---"] * len(found.columns)), *map(_line, found.rows)]
    lines += ["", f"![{found.caption}]({_FIGURE})", "", found.caption, ""]
    return "\n".join([*lines, "Published:", "", plan.published.strip(), ""])


def _line(cells: "tuple[Cell, ...] | list[str]") -> str:
    return "| " + " | ".join(_shown(cell) for cell in cells) + " |"


def _shown(cell: Cell) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
