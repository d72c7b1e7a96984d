"""Whether a run is healthy, converges, is sound, fast and safe."""

from dashboards.model import Panel, Query, Row
from dashboards.queries import RED_ABOVE_ZERO, by_run, curve, series

HEALTH = Row(
    "Is it healthy?",
    (
        Panel(
            "Progress",
            "Share of the planned steps. A run that stands still is called out on the right.",
            (Query(f"{by_run('step')} / {by_run('steps_planned')}", "{{run}}"),),
            "percentunit",
            "gauge",
            4,
            steps=((0, "blue"), (1, "green")),
            least=0,
            most=1,
        ),
        Panel(
            "Time left",
            "Steps that are left, at the speed of late.",
            (
                Query(
                    f"clamp_min({by_run('steps_planned')} - {by_run('step')}, 0) / "
                    f"{by_run('steps_per_second')}",
                    "{{run}}",
                ),
            ),
            "s",
            "stat",
            4,
        ),
        Panel(
            "Steps in 5 minutes",
            "None for five minutes is an alert: the run hangs, waits, or has ended.",
            (Query(f"max by (run) (increase({series('step')}[5m]))", "{{run}}"),),
            "short",
            "stat",
            4,
            steps=((0, "red"), (1, "green")),
        ),
        Panel(
            "Images per second",
            "Generated rows updated a second.",
            curve("images_per_second"),
            "short",
            "stat",
            4,
        ),
        Panel(
            "Checkpoint age",
            "What would be lost if all machines ended now.",
            curve("checkpoint_age_seconds"),
            "s",
            "stat",
            4,
            steps=((0, "green"), (1800, "orange"), (3600, "red")),
        ),
        Panel(
            "Workers restarted",
            "Workers that were lost and replaced since the start.",
            curve("worker_restarts"),
            "short",
            "stat",
            4,
            steps=((0, "green"), (1, "orange"), (10, "red")),
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
            "means that the learning rate is too large.",
            curve("loss_per_real"),
            width=8,
            is_log=True,
        ),
        Panel(
            "Discriminator",
            "Its mean on real and on generated rows: 1 is real, 0 generated. Both near 0.5 is the "
            "end; generated ones at 0 all the time means that lam is too large to learn from.",
            (
                Query(by_run("d_real"), "real, {{run}}"),
                Query(by_run("d_points"), "generated, {{run}}"),
            ),
            width=8,
            least=0,
            most=1,
        ),
        Panel(
            "Gradient",
            "Its norm. It falls with the objective; zero from the start is a gradient that "
            "vanished: lower lam.",
            curve("gradient_norm"),
            width=8,
            is_log=True,
        ),
    ),
)

NUMERICS = Row(
    "Are the numbers sound?",
    (
        Panel(
            "Training time lam",
            "Of the discriminator. It is constant unless it is annealed.",
            curve("lam"),
            width=6,
        ),
        Panel(
            "Eigenvalues of K",
            "Largest and smallest seen. The smallest near zero is usual: rows come close.",
            (
                Query(by_run("eigenvalue_max"), "largest, {{run}}"),
                Query(by_run("eigenvalue_min", "min"), "smallest, {{run}}"),
            ),
            width=6,
            is_log=True,
        ),
        Panel(
            "Products",
            "Of K with a vector, for one solution; 0 where an eigendecomposition is made.",
            curve("products"),
            width=6,
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
            "Step time",
            "Median, 90th and 99th percentile of what steps took in five minutes.",
            tuple(
                Query(
                    f"histogram_quantile({share}, sum by (le, run) "
                    f"(rate({series('step_seconds', part='bucket')}[5m])))",
                    f"p{int(100 * share)}, {{{{run}}}}",
                )
                for share in (0.5, 0.9, 0.99)
            ),
            "s",
            width=6,
            is_log=True,
        ),
        Panel(
            "Time by phase",
            "Share of the time that each phase takes. Steps fill it, once compilation is over.",
            (
                Query(
                    "sum by (run, phase) "
                    f"(rate({series('phase_duration_seconds', part='sum')}[5m]))",
                    "{{phase}}, {{run}}",
                ),
            ),
            "percentunit",
            width=6,
            is_stacked=True,
        ),
        Panel(
            "Kernel pairs",
            "Pairs of rows whose kernel was evaluated, a second. It is the work; GPUs at full use "
            "and few pairs means small tiles.",
            curve("pairs_per_second"),
            width=6,
        ),
        Panel(
            "Bytes moved",
            "Between workers and driver, counted from the shapes of what travels.",
            (Query(f"max by (run) (rate({series('bytes_moved')}[1m]))", "{{run}}"),),
            "Bps",
            width=6,
        ),
    ),
)

STATE = Row(
    "Is it safe?",
    (
        Panel(
            "Memory of workers",
            "In use on each worker's GPU; of the process on a CPU.",
            (
                Query(
                    "max by (run, worker) (ray_ganntk_device_memory_bytes"
                    '{run=~"$run",SessionName=~"$cluster",worker=~"$worker"})',
                    "worker {{worker}}, {{run}}",
                ),
            ),
            "bytes",
            width=6,
            least=0,
        ),
        Panel(
            "Last checkpoint",
            "Step of it, beside the step of the run.",
            (
                Query(by_run("checkpoint_step"), "checkpoint, {{run}}"),
                Query(by_run("step"), "run, {{run}}"),
            ),
            width=6,
        ),
        Panel(
            "Checkpoints that failed",
            "Each one is explained in the log of the run. The next may succeed.",
            curve("checkpoint_failures"),
            "short",
            "stat",
            6,
            steps=RED_ABOVE_ZERO,
        ),
        Panel(
            "Distance to the nearest real row",
            "Median over generated rows, at the end of a run: 0 is a copy. report.html in the "
            "run's folder shows the pairs.",
            curve("nearest_distance"),
            "short",
            "stat",
            6,
            steps=((0, "red"), (1e-6, "green")),
            needs="end",
        ),
    ),
)
