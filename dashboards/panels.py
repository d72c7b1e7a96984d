"""The three dashboards: a run, the cluster it is on, a sweep of runs."""

from dashboards.model import Annotation, Dashboard, Panel, Query, Row, Variable
from ganntk.distributed.monitored import PREFIX
from ganntk.telemetry import CATALOGUE

RUN = '{run=~"$run",SessionName=~"$cluster"}'
CLUSTER = '{SessionName=~"$cluster"}'

_RED_ABOVE_ZERO = ((0, "green"), (1, "red"))


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


def _curve(name: str, legend: str = "{{run}}") -> tuple[Query, ...]:
    return (Query(by_run(name), legend),)


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
            _curve("images_per_second"),
            "short",
            "stat",
            4,
        ),
        Panel(
            "Checkpoint age",
            "What would be lost if all machines ended now.",
            _curve("checkpoint_age_seconds"),
            "s",
            "stat",
            4,
            steps=((0, "green"), (1800, "orange"), (3600, "red")),
        ),
        Panel(
            "Workers restarted",
            "Workers that were lost and replaced since the start.",
            _curve("worker_restarts"),
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
            _curve("loss_per_real"),
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
            _curve("gradient_norm"),
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
            _curve("lam"),
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
            _curve("products"),
            width=6,
            least=0,
        ),
        Panel(
            "Residual",
            "Relative error of exp(-lam K) by the solver's own estimate.",
            _curve("residual"),
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
            _curve("pairs_per_second"),
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
            _curve("checkpoint_failures"),
            "short",
            "stat",
            6,
            steps=_RED_ABOVE_ZERO,
        ),
        Panel(
            "Distance to the nearest real row",
            "Median over generated rows, at the end of a run: 0 is a copy. report.html in the "
            "run's folder shows the pairs.",
            _curve("nearest_distance"),
            "short",
            "stat",
            6,
            steps=((0, "red"), (1e-6, "green")),
            needs="end",
        ),
    ),
)

_GPU = "{{instance}} GPU {{GpuIndex}}"

GPUS = Row(
    "Are the GPUs used?",
    (
        Panel(
            "GPUs that idle",
            "Below 5 % for five minutes, while the run may be on. It costs as much as a busy one.",
            (
                Query(
                    "count(avg_over_time("
                    f"ray_node_gpus_utilization{CLUSTER}[5m]) < 5) or vector(0)",
                    "idle",
                ),
            ),
            "short",
            "stat",
            4,
            steps=_RED_ABOVE_ZERO,
            needs="gpu",
        ),
        Panel(
            "Which ones idle",
            "Node and number, with their use in percent.",
            (
                Query(
                    "sort(avg by (instance, GpuIndex, GpuDeviceName) "
                    f"(avg_over_time(ray_node_gpus_utilization{CLUSTER}[5m])) < 5)",
                    is_instant=True,
                ),
            ),
            "percent",
            "table",
            8,
            needs="gpu",
        ),
        Panel(
            "Kernel throughput",
            "Pairs of rows whose kernel was evaluated, a second, over all runs: it should rise and "
            "fall with the use of the GPUs.",
            (
                Query(f"sum(max by (run) ({series('pairs_per_second', CLUSTER)}))", "pairs/s"),
                Query(f"sum(max by (run) ({series('images_per_second', CLUSTER)}))", "images/s"),
            ),
            width=12,
            is_log=True,
        ),
        Panel(
            "Use of GPUs",
            "Percent of the time in which a kernel ran.",
            (Query(f"ray_node_gpus_utilization{CLUSTER}", _GPU),),
            "percent",
            width=12,
            least=0,
            most=100,
            needs="gpu",
        ),
        Panel(
            "Memory of GPUs",
            "Share in use. Near 1, lower memory_bytes or take more workers.",
            (
                Query(
                    f"ray_node_gram_used{CLUSTER} / "
                    f"(ray_node_gram_used{CLUSTER} + ray_node_gram_available{CLUSTER})",
                    _GPU,
                ),
            ),
            "percentunit",
            width=12,
            least=0,
            most=1,
            steps=((0, "green"), (0.95, "red")),
            needs="gpu",
        ),
        Panel(
            "Power",
            "Drawn by each GPU.",
            (Query(f"ray_node_gpu_power_milliwatts{CLUSTER} / 1000", _GPU),),
            "watt",
            width=12,
            needs="gpu",
        ),
        Panel(
            "Temperature",
            "A GPU above 85 degrees slows down.",
            (Query(f"ray_node_gpu_temperature_celsius{CLUSTER}", _GPU),),
            "celsius",
            width=12,
            steps=((0, "green"), (85, "red")),
            needs="gpu",
        ),
    ),
)

NODES = Row(
    "Are the nodes well?",
    (
        Panel(
            "Actors",
            "By state. Workers of a run are alive; RESTARTING or DEAD ones are lost workers.",
            (Query(f"sum by (State) (ray_actors{CLUSTER})", "{{State}}"),),
            width=6,
            is_stacked=True,
        ),
        Panel(
            "CPU",
            "Percent of all cores, by node.",
            (Query(f"ray_node_cpu_utilization{CLUSTER}", "{{instance}}"),),
            "percent",
            width=6,
            least=0,
            most=100,
        ),
        Panel(
            "Memory",
            "Share in use, by node. Ray ends workers at 0.95.",
            (
                Query(
                    f"ray_node_mem_used{CLUSTER} / ray_node_mem_total{CLUSTER}",
                    "{{instance}}",
                ),
            ),
            "percentunit",
            width=6,
            least=0,
            most=1,
            steps=((0, "green"), (0.9, "red")),
        ),
        Panel(
            "Object store",
            "Bytes of what travels between processes, by node and place. SPILLED is on disk: slow.",
            (
                Query(
                    f"sum by (instance, Location) (ray_object_store_memory{CLUSTER})",
                    "{{Location}}, {{instance}}",
                ),
            ),
            "bytes",
            width=6,
            is_stacked=True,
        ),
        Panel(
            "Network",
            "Bytes a second that came in and went out, by node.",
            (
                Query(f"ray_node_network_receive_speed{CLUSTER}", "in, {{instance}}"),
                Query(f"-ray_node_network_send_speed{CLUSTER}", "out, {{instance}}"),
            ),
            "Bps",
            width=12,
        ),
        Panel(
            "Disk",
            "Share in use, by node: logs, staging of checkpoints, spilled objects.",
            (
                Query(
                    f"ray_node_disk_usage{CLUSTER} / "
                    f"(ray_node_disk_usage{CLUSTER} + ray_node_disk_free{CLUSTER})",
                    "{{instance}}",
                ),
            ),
            "percentunit",
            width=12,
            least=0,
            most=1,
            steps=((0, "green"), (0.9, "red")),
        ),
    ),
)

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
            steps=_RED_ABOVE_ZERO,
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
            _curve("loss_per_real"),
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

_CLUSTER_VARIABLE = Variable(
    "cluster", "cluster", "label_values(ray_node_cpu_utilization, SessionName)"
)
_RUN_VARIABLE = Variable("run", "run", "label_values(ray_ganntk_step_total, run)")

DASHBOARDS = (
    Dashboard(
        "ganntk-run",
        "ganntk: run",
        "Whether a synthesis is healthy, converges, and is fast. Its pictures are in report.html "
        "of its run folder.",
        (HEALTH, CONVERGENCE, NUMERICS, SPEED, STATE),
        (
            _CLUSTER_VARIABLE,
            _RUN_VARIABLE,
            Variable("worker", "worker", "label_values(ray_ganntk_device_memory_bytes, worker)"),
        ),
        (
            Annotation(
                "workers restarted",
                f"changes({series('worker_restarts')}[30s]) > 0",
                "red",
                "a worker was replaced",
            ),
            Annotation(
                "checkpoints",
                f"changes({series('checkpoint_step')}[30s]) > 0",
                "green",
                "checkpoint",
            ),
        ),
    ),
    Dashboard(
        "ganntk-cluster",
        "ganntk: cluster",
        "Whether the machines are used and well, beside what they compute.",
        (GPUS, NODES),
        (_CLUSTER_VARIABLE,),
    ),
    Dashboard(
        "ganntk-sweep",
        "ganntk: sweep",
        "How far a sweep is, and what it has found.",
        (TRIALS, FRONT),
        (_CLUSTER_VARIABLE, _RUN_VARIABLE),
    ),
)
"""All of them, by what a person asks first."""
