"""The three dashboards: a run, the cluster it is on, a sweep of runs."""

from dashboards.cluster_panels import GPUS, NODES
from dashboards.model import Annotation, Dashboard, Variable
from dashboards.queries import series
from dashboards.run_panels import CONVERGENCE, HEALTH, NUMERICS, SPEED, STATE
from dashboards.sweep_panels import FRONT, TRIALS

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
