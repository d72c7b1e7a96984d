"""How far a sweep is, and which trials are good."""

from dashboards.model import Panel, Query, Row, Thresholds
from dashboards.queries import AS_AT_START, RED_ABOVE_ZERO, RED_AT_ZERO, by_run, curve, series


def _in_state(states: str) -> str:
    """Trials of each sweep in some states; none is 0."""
    labels = f'{{run=~"$run",SessionName=~"$cluster",state=~"{states}"}}'
    every = f"sum by (run) ({series('trials')})"
    return f"sum by (run) ({series('trials', labels)}) or 0 * {every}"


def _count(title: str, description: str, states: str, colours: Thresholds) -> Panel:
    """How many trials are in some states."""
    return Panel(
        title,
        description,
        (Query(_in_state(states), "{{run}}"),),
        kind="stat",
        width=4,
        steps=colours,
        needs="sweep",
    )


TRIALS = Row(
    "How far is the sweep?",
    (
        _count(
            "Running",
            "Trials that compute now. As many as the cluster has places for, until the end.",
            "RUNNING",
            ((0, "text"), (1, "green")),
        ),
        _count(
            "Waiting",
            "Trials that wait for a place, or for others.",
            "PENDING|PAUSED",
            ((0, "text"), (1, "blue")),
        ),
        _count(
            "Done",
            "Trials that are at their end, or were stopped early.",
            "TERMINATED",
            ((0, "text"), (1, "green")),
        ),
        _count(
            "Failed",
            "Each one's reason is in the table of the sweep and in its own run folder.",
            "ERROR",
            RED_ABOVE_ZERO,
        ),
        Panel(
            "Best so far",
            "Of the measure that the sweep is after.",
            (Query(f"max by (run, measure) ({series('trial_best')})", "{{measure}}, {{run}}"),),
            kind="stat",
            width=8,
            steps=((0, "blue"),),
            needs="sweep",
        ),
    ),
    height=5,
)

PROGRESS = Row(
    "Is it worth going on?",
    (
        Panel(
            "Trials",
            "By state. A sweep whose failures grow as fast as its ends has a bad corner in its "
            "space.",
            (Query(f"sum by (run, state) ({series('trials')})", "{{state}}, {{run}}"),),
            width=12,
            is_stacked=True,
            steps=RED_AT_ZERO,
            least=0,
            needs="sweep",
        ),
        Panel(
            "Best over time",
            "A curve that has been flat for as long as the whole sweep took to get there: stop.",
            (Query(f"max by (run, measure) ({series('trial_best')})", "{{measure}}, {{run}}"),),
            width=12,
            needs="sweep",
        ),
    ),
)

FRONT = Row(
    "Which trials are good?",
    (
        Panel(
            "Front",
            "The best trade-offs so far: no trial is better than one of these in every measure. "
            "One line for each measure of each point; `ganntk sweep` writes the table with all "
            "trials.",
            (Query(f"max by (run, point, measure) ({series('trial_front')})", is_instant=True),),
            kind="table",
            width=8,
            columns=(
                ("run", "sweep"),
                ("point", "point"),
                ("measure", "measure"),
                ("Value", "value"),
            ),
            needs="sweep",
        ),
        Panel(
            "Objective of each run",
            "Of runs that have a driver of their own, divided by the number of real rows: "
            "comparable between runs of one objective. The line is where "
            "half a squared error begins.",
            curve("loss_per_real"),
            width=8,
            is_log=True,
            steps=AS_AT_START,
        ),
        Panel(
            "Objective and speed",
            "Low objective, many images a second. A click on a title sorts.",
            (
                Query(by_run("loss_per_real"), is_instant=True),
                Query(by_run("images_per_second"), is_instant=True),
            ),
            kind="table",
            width=8,
            columns=(("run", "run"), ("Value #A", "objective"), ("Value #B", "images/s")),
        ),
    ),
)

ROWS = (TRIALS, PROGRESS, FRONT)
