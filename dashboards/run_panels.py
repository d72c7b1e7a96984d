"""Whether a run is healthy, converges, is sound, fast and safe."""

from dashboards.model import Panel, Query, Row
from dashboards.quality_panels import QUALITY
from dashboards.queries import (
    AS_AT_START,
    LARGE_LAM,
    RED_ABOVE_ZERO,
    RED_AT_ZERO,
    SLOW,
    by_run,
    curve,
    series,
)
from ganntk.discriminator.lanczos import MOST_PRODUCTS

HEALTH = Row(
    "Is it healthy?",
    (
        Panel(
            "State",
            "Whether its driver is there. A run that ends or whose process dies has ENDED; the "
            "alert RunVanished tells the second from the first.",
            (Query(f"{by_run('run_active')} or 0 * {by_run('step')}", "{{run}}"),),
            kind="stat",
            width=3,
            words=((0, "ENDED", "text"), (1, "RUNNING", "green")),
        ),
        Panel(
            "Progress",
            "Share of the planned steps.",
            (Query(f"{by_run('step')} / {by_run('steps_planned')}", "{{run}}"),),
            unit="percentunit",
            kind="gauge",
            width=3,
            steps=((0, "blue"), (1, "green")),
            least=0,
            most=1,
        ),
        Panel(
            "Time left",
            "Steps that are left, at the speed of late. Orange is more than a day, red a week.",
            (
                Query(
                    f"clamp_min({by_run('steps_planned')} - {by_run('step')}, 0) / "
                    f"{by_run('steps_per_second')}",
                    "{{run}}",
                ),
            ),
            unit="s",
            kind="stat",
            width=3,
            steps=((0, "green"), (86_400, "orange"), (604_800, "red")),
        ),
        Panel(
            "Since the last step",
            "Time since steps were recorded. Five minutes are an alert: the run hangs or waits. "
            "Where report_every steps take longer than that, raise the alert's limit.",
            (Query(f"time() - {by_run('recorded_timestamp_seconds')}", "{{run}}"),),
            unit="s",
            kind="stat",
            width=3,
            steps=((0, "green"), (60, "orange"), (300, "red")),
        ),
        Panel(
            "Objective now",
            "For each real row. Half a squared error begins at 0.5, and has to fall.",
            curve("loss_per_real"),
            kind="stat",
            width=3,
            steps=AS_AT_START,
        ),
        Panel(
            "Images per second",
            "Generated rows updated a second, of late.",
            curve("images_per_second"),
            kind="stat",
            width=3,
            steps=RED_AT_ZERO,
        ),
        Panel(
            "Checkpoint age",
            "What would be lost if all machines ended now.",
            (Query(f"time() - {by_run('checkpoint_timestamp_seconds')}", "{{run}}"),),
            unit="s",
            kind="stat",
            width=3,
            steps=((0, "green"), (1800, "orange"), (3600, "red")),
        ),
        Panel(
            "Failures",
            "Workers that were lost and replaced, checkpoints that came to nothing, and steps "
            "whose objective was not finite, since the start. A few lost workers are usual on "
            "spot instances; the other two are not.",
            (
                Query(f"{by_run('worker_restarts', 'sum')} or 0 * {by_run('step')}", "workers"),
                Query(
                    f"{by_run('checkpoint_failures', 'sum')} or 0 * {by_run('step')}", "checkpoints"
                ),
                Query(f"{by_run('non_finite_steps', 'sum')} or 0 * {by_run('step')}", "not finite"),
            ),
            kind="stat",
            width=3,
            steps=((0, "green"), (1, "orange"), (3, "red")),
        ),
    ),
    height=5,
)

CONVERGENCE = Row(
    "Does it converge?",
    (
        Panel(
            "Objective",
            "Divided by the number of real rows. It falls, fast and then slowly; a rise or a jump "
            "means that the learning rate is too large. The line is half a squared error at first.",
            curve("loss_per_real"),
            width=8,
            is_log=True,
            steps=AS_AT_START,
        ),
        Panel(
            "Discriminator",
            "Its mean on real, generated and held-out rows: 1 is real, 0 generated. Real and "
            "generated near 0.5 is the end; generated at 0 all the time means that lam is too "
            "large to learn from. Held-out rows far below the real ones: it knows the real rows by "
            "heart, and pulls the generated ones onto them. The lines are nearly 0 and the end.",
            (
                Query(by_run("d_real"), "real, {{run}}"),
                Query(by_run("d_points"), "generated, {{run}}"),
                Query(by_run("d_held_out"), "held out, {{run}}"),
            ),
            width=8,
            steps=((0, "red"), (0.01, "orange"), (0.45, "green")),
            least=0,
            most=1,
        ),
        Panel(
            "Gradient",
            "Its norm. It falls with the objective; below the line from the start it has "
            "vanished: lower lam.",
            curve("gradient_norm"),
            width=8,
            is_log=True,
            steps=((0, "red"), (1e-12, "green")),
        ),
        Panel(
            "Distance to the nearest real row",
            "Median over generated rows, when pictures are taken: 0 is a copy. report.html in the "
            "run's folder shows the pairs.",
            curve("nearest_distance"),
            width=12,
            steps=((0, "red"), (1e-6, "green")),
            least=0,
        ),
        Panel(
            "Novelty",
            "Of a run that is watched: similarity to the nearest real image, memorisation (0.5 as "
            "new as fresh rows, 1 copies), and the kernel distance to held-out rows. Memorisation "
            "above the first line is worse than that of fresh rows; above the second it copies.",
            (
                Query(by_run("am_ssim"), "AM-SSIM, {{run}}"),
                Query(by_run("memorisation"), "memorisation, {{run}}"),
                Query(by_run("held_out_distance"), "held-out distance, {{run}}"),
            ),
            width=12,
            steps=((0, "green"), (0.6, "orange"), (0.8, "red")),
            needs="checks",
        ),
    ),
)

LEVELS = Row(
    "Do all resolutions take part?",
    (
        Panel(
            "Objective by level",
            "Of a run with several resolutions: each falls; one that stands still has a lam that "
            "does not suit it. The line is where it begins.",
            (Query(f"max by (run, level) ({series('level_loss')})", "{{level}}, {{run}}"),),
            width=8,
            is_log=True,
            steps=AS_AT_START,
            needs="levels",
        ),
        Panel(
            "Weight of levels",
            "Of a run with several resolutions: how much each counts now. Coarse ones begin; "
            "one at zero takes no part.",
            (Query(f"max by (run, level) ({series('level_weight')})", "{{level}}, {{run}}"),),
            width=8,
            steps=RED_AT_ZERO,
            least=0,
            needs="levels",
        ),
        Panel(
            "lam of levels",
            "Training time of the discriminator of each resolution. Above the line digits came "
            "out far worse.",
            (Query(f"max by (run, level) ({series('level_lam')})", "{{level}}, {{run}}"),),
            width=8,
            is_log=True,
            steps=LARGE_LAM,
            needs="levels",
        ),
    ),
)

NUMERICS = Row(
    "Are the numbers sound?",
    (
        Panel(
            "Training time lam",
            "Of the discriminator. It is constant unless annealed. Above the line digits came "
            "out far worse.",
            (
                *curve("lam"),
                Query(f"max by (run, level) ({series('level_lam')})", "{{level}}, {{run}}"),
            ),
            width=6,
            steps=LARGE_LAM,
        ),
        Panel(
            "Eigenvalues of K",
            "Largest and smallest seen. The smallest near zero is usual: rows come close. "
            "A largest one above the line: the kernel grows with its depth.",
            (
                Query(by_run("eigenvalue_max"), "largest, {{run}}"),
                Query(by_run("eigenvalue_min", "min"), "smallest, {{run}}"),
            ),
            width=6,
            is_log=True,
            steps=((0, "green"), (1e6, "red")),
        ),
        Panel(
            "Products",
            "Of K with a vector, for one solution; 0 where an eigendecomposition is made. "
            "At the line its products end, whether it is one or not: see the residual.",
            curve("products"),
            width=6,
            steps=((0, "green"), (MOST_PRODUCTS, "red")),
            least=0,
        ),
        Panel(
            "Residual",
            "Relative error of exp(-lam K) by the solver's own estimate.",
            curve("residual"),
            width=6,
            is_log=True,
            steps=((0, "green"), (1e-3, "red")),
        ),
    ),
)

SPEED = Row(
    "Is it fast?",
    (
        Panel(
            "Images per second",
            "Generated rows updated a second. A fall that stays: look at the phases beside it, "
            "then at the cluster.",
            curve("images_per_second"),
            width=8,
            steps=RED_AT_ZERO,
            least=0,
        ),
        Panel(
            "Step time",
            "Median, 90th and 99th percentile of what steps took in five minutes; a step counts as "
            "the mean of its block. The lines are one and five minutes: then the alert NoStep.",
            tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le, run) "
                    f"(rate({series('step_seconds', part='bucket')}[5m])))",
                    f"p{int(100 * share)}, {{{{run}}}}",
                )
                for share in (0.5, 0.9, 0.99)
            ),
            unit="s",
            width=8,
            is_log=True,
            steps=SLOW,
        ),
        Panel(
            "Time by phase",
            "Share of the time that each phase takes. Steps fill it up to the line, once "
            "compilation is over.",
            (
                Query(
                    f"sum by (run, phase) (rate({series('phase_seconds')}[5m]))",
                    "{{phase}}, {{run}}",
                ),
            ),
            unit="percentunit",
            width=8,
            is_stacked=True,
            steps=((0, "green"), (1, "orange")),
            least=0,
        ),
        Panel(
            "Kernel pairs",
            "Pairs of rows whose kernel was evaluated, a second. It is the work; GPUs at full use "
            "and few pairs means small tiles.",
            curve("pairs_per_second"),
            width=8,
            steps=RED_AT_ZERO,
            least=0,
        ),
        Panel(
            "Bytes moved",
            "Between workers and driver, counted from the shapes of what travels; 0 with one "
            "worker. The lines fill a network of 10 and of 100 Gbit/s.",
            (
                Query(
                    f"max by (run) (rate({series('bytes_moved')}[5m])) or 0 * {by_run('step')}",
                    "{{run}}",
                ),
            ),
            unit="Bps",
            width=8,
            steps=((0, "green"), (1e9, "orange"), (1e10, "red")),
            least=0,
        ),
        Panel(
            "Longest phases",
            "90th percentile of how long a phase takes, each time: pictures and checkpoints hold "
            "the steps up for so long. The lines are one and five minutes.",
            (
                Query(
                    "histogram_quantile(0.9, sum by (le, run, phase) "
                    f"(rate({series('phase_duration_seconds', part='bucket')}[15m])))",
                    "{{phase}}, {{run}}",
                ),
            ),
            unit="s",
            width=8,
            is_log=True,
            steps=SLOW,
        ),
    ),
)

STATE = Row(
    "Is it safe?",
    (
        Panel(
            "Memory of workers",
            "In use on each worker's GPU; of the process on a CPU. One that grows will not live "
            "until morning. The line is nine tenths of 80 GB.",
            (
                Query(
                    "max by (run, worker) (ray_ganntk_device_memory_bytes"
                    '{run=~"$run",SessionName=~"$cluster",worker=~"$worker"})',
                    "worker {{worker}}, {{run}}",
                ),
            ),
            unit="bytes",
            width=8,
            steps=((0, "green"), (72e9, "orange")),
            least=0,
        ),
        Panel(
            "Last checkpoint",
            "Step of it, beside the step of the run; below zero there is none yet.",
            (
                Query(by_run("checkpoint_step"), "checkpoint, {{run}}"),
                Query(by_run("step"), "run, {{run}}"),
            ),
            width=8,
            steps=((-1, "red"), (0, "green")),
        ),
        Panel(
            "Checkpoints written",
            "Bytes of all of them. More than a terabyte: keep fewer, or less often.",
            curve("checkpoint_bytes"),
            unit="bytes",
            kind="stat",
            width=4,
            steps=((0, "green"), (1e12, "orange")),
        ),
        Panel(
            "Checkpoints that failed",
            "Each one is explained in the log of the run. The next may succeed.",
            (Query(f"{by_run('checkpoint_failures', 'sum')} or 0 * {by_run('step')}", "{{run}}"),),
            kind="stat",
            width=4,
            steps=RED_ABOVE_ZERO,
        ),
    ),
)

ROWS = (HEALTH, CONVERGENCE, SPEED, NUMERICS, LEVELS, STATE, QUALITY)
