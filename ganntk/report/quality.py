"""The tables of `quality.json` as HTML. Layer 4."""

from collections.abc import Mapping
from html import escape
from typing import Any

from ganntk.report.numbers import fixed, number


def tables(quality: Mapping[str, Any]) -> str:
    """One card for each table, with the features that it was measured in as its title."""
    cards = "\n".join(_card(table, quality["columns"]) for table in quality["tables"])
    return f'<div class="stack">{cards}</div>'


def _card(table: Mapping[str, Any], columns: Mapping[str, str]) -> str:
    lines = table["sets"]
    names = [name for name in columns if any(name in line["numbers"] for line in lines)]
    titles = ("set", "rows", *(escape(columns[name]) for name in names))
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = "\n".join(_line(line, names) for line in lines)
    return (
        f'<div class="card"><h3>{escape(table["features"])}</h3><table class="measures"><thead><tr>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _line(line: Mapping[str, Any], names: list[str]) -> str:
    cells = "".join(f"<td>{_cell(line['numbers'].get(name))}</td>" for name in names)
    head = f'<th scope="row">{escape(line["name"])}</th><td>{number(line["count"])}</td>'
    return f"<tr>{head}{cells}</tr>"


def _cell(estimate: Mapping[str, float] | None) -> str:
    """A number, and behind it the longer side of its interval: one side may end at a bound."""
    if estimate is None:
        return number(None)
    reach = max(estimate["high"] - estimate["value"], estimate["value"] - estimate["low"])
    value = fixed(estimate["value"], digits=3)
    return value if reach == 0 else f"{value} ± {fixed(reach, digits=2)}"
