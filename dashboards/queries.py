"""PromQL of the series that a run records."""

from dashboards.model import Query
from ganntk.distributed.monitored import PREFIX
from ganntk.telemetry import CATALOGUE

RUN = '{run=~"$run",SessionName=~"$cluster"}'
CLUSTER = '{SessionName=~"$cluster"}'

RED_ABOVE_ZERO = ((0, "green"), (1, "red"))


def series(name: str, labels: str = RUN, *, part: str = "") -> str:
    """A series of the catalogue as Prometheus has it.

    Args:
        name: in the catalogue.
        labels: which of them.
        part: ``bucket``, ``sum`` or ``count`` of a histogram.
    """
    suffix = {"counter": "_total", "gauge": "", "histogram": f"_{part}"}[CATALOGUE[name].kind]
    return f"ray_{PREFIX}{name}{suffix}{labels}"


def by_run(name: str, how: str = "max") -> str:
    """A series with one value for a run, whichever process of it says so."""
    return f"{how} by (run) ({series(name)})"


def curve(name: str, legend: str = "{{run}}") -> tuple[Query, ...]:
    """The query of a panel that shows one series of the chosen runs."""
    return (Query(by_run(name), legend),)
