"""How far a sweep is, and which trials are good."""

from dashboards.model import Panel, Query, Row
from dashboards.queries import RED_ABOVE_ZERO, by_run, curve, series

TRIALS = Row(
    "How far is the sweep?",
    (
        Panel(
            "Trials",
            "By state.",
            (
                Query(
                    f"sum by (run, state) ({series('trials')})",
                    "{{state}}, {{run}}",
                ),
            ),
            width=12,
            is_stacked=True,
            needs="sweep",
        ),
        Panel(
            "Trials that failed",
            "Each one's reason is in the table of the sweep and in its own run folder.",
            (
                Query(
                    "sum by (run) (ray_ganntk_trials"
                    '{run=~"$run",SessionName=~"$cluster",state="ERROR"})',
                    "{{run}}",
                ),
            ),
            "short",
            "stat",
            6,
            steps=RED_ABOVE_ZERO,
            needs="sweep",
        ),
        Panel(
            "Best so far",
            "Of the measure that the sweep is after.",
            (Query(f"max by (run, measure) ({series('trial_best')})", "{{measure}}, {{run}}"),),
            width=6,
            needs="sweep",
        ),
    ),
)

FRONT = Row(
    "Which trials are good?",
    (
        Panel(
            "Objective of each run",
            "Divided by the number of real rows: comparable between runs of one objective.",
            curve("loss_per_real"),
            width=12,
            is_log=True,
        ),
        Panel(
            "Objective and speed",
            "The front: low objective, many images a second. Sort by either column.",
            (
                Query(by_run("loss_per_real"), "objective", is_instant=True),
                Query(by_run("images_per_second"), "images/s", is_instant=True),
            ),
            kind="table",
            width=12,
        ),
    ),
)
