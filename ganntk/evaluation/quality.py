"""What an evaluation found: tables of sets and numbers, as values, text and JSON. Layer 4."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ganntk.metrics.intervals import Estimate

COLUMNS = {
    "frechet": "Fréchet distance",
    "kernel_distance": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
    "am_ssim": "AM-SSIM",
    "memorisation": "memorisation",
    "modes_hit": "modes hit",
    "within": "within 3 std",
    "half_w2": "half W2 squared",
}
"""What a table may hold, by the name in the file, in the order of its columns."""

_SHARES = ("precision", "recall", "coverage", "memorisation", "within")
_AT_MOST_ONE = (*_SHARES, "am_ssim")
_AT_LEAST_ZERO = (*_SHARES, "frechet", "density")


@dataclass(frozen=True)
class Measured:
    """One line of a table.

    Attributes:
        name: which set it is about.
        count: rows of the set.
        numbers: an estimate for each name of `COLUMNS` that could be measured.
    """

    name: str
    count: int
    numbers: Mapping[str, Estimate]


@dataclass(frozen=True)
class Table:
    """Sets measured in one way.

    Attributes:
        features: what the distances are between, or what else was compared.
        sets: the lines, generated rows first.
    """

    features: str
    sets: Sequence[Measured]

    @property
    def columns(self) -> list[str]:
        """The names that some set has a number for, in the order of `COLUMNS`."""
        return [name for name in COLUMNS if any(name in each.numbers for each in self.sets)]


@dataclass(frozen=True)
class Quality:
    """An evaluation of a run.

    Attributes:
        reference: what the real rows are called that distances are to.
        reference_count: how many they are.
        training_count: how many training rows the run folder holds.
        noise: standard deviation of the noise of the last baseline.
        tables: one for novelty, one for each extractor.
    """

    reference: str
    reference_count: int
    training_count: int
    noise: float
    tables: Sequence[Table]

    def as_json(self) -> dict[str, Any]:
        """Plain values for `quality.json`."""
        content = {**asdict(self), "columns": COLUMNS}
        for table, plain in zip(self.tables, content["tables"], strict=True):
            for line, written in zip(table.sets, plain["sets"], strict=True):
                # asdict leaves named tuples as they are, and JSON would make lists of them.
                written["numbers"] = {k: v._asdict() for k, v in line.numbers.items()}
        return content


def in_range(name: str, estimate: Estimate) -> Estimate:
    """The estimate without the part of its interval that the measure cannot reach.

    Example:
        >>> in_range("precision", Estimate(0.98, 0.95, 1.01))
        Estimate(value=0.98, low=0.95, high=1.0)
    """
    low = max(estimate.low, 0.0) if name in _AT_LEAST_ZERO else estimate.low
    high = min(estimate.high, 1.0) if name in _AT_MOST_ONE else estimate.high
    return Estimate(estimate.value, low, high)


def from_json(content: Mapping[str, Any]) -> Quality:
    """What `Quality.as_json` gave."""
    tables = [
        Table(
            table["features"],
            [
                Measured(
                    line["name"],
                    line["count"],
                    {name: Estimate(**number) for name, number in line["numbers"].items()},
                )
                for line in table["sets"]
            ],
        )
        for table in content["tables"]
    ]
    fields = {name: value for name, value in content.items() if name != "columns"}
    return Quality(**{**fields, "tables": tables})


def text_of(quality: Quality) -> str:
    """The tables for a terminal, with 95 % intervals."""
    return "\n\n".join(_text_of(table) for table in quality.tables)


def _text_of(table: Table) -> str:
    head = ["", "rows", *(COLUMNS[name] for name in table.columns)]
    lines = [
        [each.name, str(each.count), *(_shown(each.numbers.get(name)) for name in table.columns)]
        for each in table.sets
    ]
    widths = [max(len(line[i]) for line in (head, *lines)) for i in range(len(head))]
    rows = (
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in (head, *lines)
    )
    return "\n".join([table.features, *rows])


def _shown(estimate: Estimate | None) -> str:
    """A number and its interval."""
    if estimate is None:
        return "-"
    value, low, high = (f"{number:.4g}" for number in estimate)
    return value if low == high else f"{value} [{low}, {high}]"
