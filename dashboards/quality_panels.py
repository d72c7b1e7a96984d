"""What a run is, where its report lies, and what `ganntk evaluate` measured of it."""

from dashboards.model import Panel, Query, Row
from dashboards.queries import series

_TIMES = f"last_over_time({series('quality_timestamp_seconds')}[30d])"
# Each evaluation is a process of its own, and so a series: of all of a run the newest one counts.
_NEWEST = f"{_TIMES} == on (run, features) group_left () max by (run, features) ({_TIMES})"
_LATEST = (
    f"max by (run, features, measure, rows) (last_over_time({series('quality')}[30d]) "
    f"and on (run, features, WorkerId) ({_NEWEST}))"
)

QUALITY = Row(
    "Are the images good?",
    (
        Panel(
            "Runs and their reports",
            "The folder of each run. A click opens its report.html where the folder's address is "
            "one that a browser opens; write what stands before it into `reports` above, such as "
            "the web address of the bucket.",
            (
                Query(
                    "max by (run, kernel, coupling, uri) "
                    f"(last_over_time({series('run_info')}[$__range]))",
                    is_instant=True,
                ),
            ),
            kind="table",
            width=12,
            columns=(
                ("run", "run"),
                ("kernel", "kernel"),
                ("coupling", "coupling"),
                ("uri", "uri"),
            ),
            link="${reports}${__value.raw}/report.html",
        ),
        Panel(
            "Quality",
            "The newest numbers of `ganntk evaluate --publish`, of generated rows and of the "
            "baselines: held-out rows are the measure, noisy training rows what is to be beaten.",
            (Query(_LATEST, is_instant=True),),
            kind="table",
            width=12,
            columns=(
                ("run", "run"),
                ("features", "features"),
                ("measure", "measure"),
                ("rows", "rows"),
                ("Value", "value"),
            ),
            needs="quality",
        ),
    ),
)
