"""PromQL of the series that a run records."""

from dashboards.model import Query
from ganntk.distributed.monitored import PREFIX
from ganntk.telemetry import CATALOGUE

RUN = '{run=~"$run",SessionName=~"$cluster"}'
CLUSTER = '{SessionName=~"$cluster"}'

RED_ABOVE_ZERO = ((0, "green"), (1, "red"))
RED_AT_ZERO = ((0, "red"), (1e-3, "green"))
SLOW = ((0, "green"), (60, "orange"), (300, "red"))
"""Seconds; the last is where the alert NoStep begins."""
AS_AT_START = ((0, "green"), (0.5, "orange"))
"""Of half a squared error for each real row, with as many generated ones: D is 0 on them."""
LARGE_LAM = ((0, "green"), (100, "orange"))
"""On MNIST 1.28 to 20 are alike, and 100 is far worse."""


def exported(name: str, part: str = "") -> str:
    """The name of a series of the catalogue in Prometheus.

    Args:
        name: in the catalogue.
        part: ``bucket``, ``sum`` or ``count`` of a histogram.
    """
    suffix = {"counter": "_total", "gauge": "", "histogram": f"_{part}"}[CATALOGUE[name].kind]
    return f"ray_{PREFIX}{name}{suffix}"


def series(name: str, labels: str = RUN, *, part: str = "") -> str:
    """A series of the catalogue, with matchers of labels; see `exported`."""
    return exported(name, part) + labels


def by_run(name: str, how: str = "max") -> str:
    """A series with one value for a run, whichever process of it says so."""
    return f"{how} by (run) ({series(name)})"


def curve(name: str, legend: str = "{{run}}") -> tuple[Query, ...]:
    """The query of a panel that shows one series of the chosen runs."""
    return (Query(by_run(name), legend),)
