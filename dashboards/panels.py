"""The three dashboards: a run, the cluster it is on, a sweep of runs."""

from dashboards import cluster_panels, run_panels, sweep_panels
from dashboards.model import Annotation, Dashboard, Variable
from dashboards.queries import CLUSTER, exported, series

_CLUSTER_VARIABLE = Variable(
    "cluster", "cluster", "label_values(ray_node_cpu_utilization, SessionName)"
)


def _names(series: str, label: str) -> str:
    """The values of a label in the chosen clusters."""
    return f'label_values({series}{{SessionName=~"$cluster"}}, {label})'


def _new(series: str, first: str = "") -> str:
    """Where a series has another value than before, or its first: a counter begins at 1.

    Args:
        series: with its labels.
        first: what a first value has to be, as a comparison.
    """
    return f"changes({series}[1m]) > 0 or {series}{first} unless {series} offset 1m"


_SWEEPS = f"{exported('trials')}|{exported('step')}"
_RESTARTS = Annotation(
    "workers restarted",
    _new(series("worker_restarts", CLUSTER)),
    "red",
    "a worker of {{run}} was replaced",
)
_CHECKPOINTS = Annotation(
    "checkpoints",
    # Before the first one it is -1.
    _new(series("checkpoint_step"), " >= 0"),
    "green",
    "checkpoint of {{run}}",
)

DASHBOARDS = (
    Dashboard(
        "ganntk-run",
        "ganntk: run",
        "Whether a synthesis is healthy, converges, and is fast. Its pictures are in report.html "
        "of its run folder.",
        run_panels.ROWS,
        (
            _CLUSTER_VARIABLE,
            Variable("run", "run", _names(exported("step"), "run")),
            Variable("worker", "worker", _names(exported("device_memory_bytes"), "worker")),
            Variable("reports", "reports"),
        ),
        (_RESTARTS, _CHECKPOINTS),
    ),
    Dashboard(
        "ganntk-cluster",
        "ganntk: cluster",
        "Whether the machines are used and well, beside what they compute.",
        cluster_panels.ROWS,
        (_CLUSTER_VARIABLE,),
        (_RESTARTS,),
    ),
    Dashboard(
        "ganntk-sweep",
        "ganntk: sweep",
        "How far a sweep is, and what it has found.",
        sweep_panels.ROWS,
        (
            _CLUSTER_VARIABLE,
            Variable("run", "sweep or run", f'label_values({{__name__=~"{_SWEEPS}"}}, run)'),
        ),
    ),
)
"""All of them, by what a person asks first."""
