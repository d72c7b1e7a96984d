"""Whether GPUs are used, and whether nodes are well."""

from dashboards.model import Panel, Query, Row
from dashboards.queries import CLUSTER, RED_ABOVE_ZERO, RED_AT_ZERO, series

_GPU = "{{instance}} GPU {{GpuIndex}}"
_USE = f"ray_node_gpus_utilization{CLUSTER}"
_RUNNING = f"max by (SessionName) ({series('run_active', CLUSTER)}) == 1"
_IDLE = (
    "(avg by (SessionName, instance, GpuIndex, GpuDeviceName) "
    f"(avg_over_time({_USE}[5m])) < 5) and on (SessionName) ({_RUNNING})"
)
_MEMORY = (
    f"ray_node_gram_used{CLUSTER} / "
    f"(ray_node_gram_used{CLUSTER} + ray_node_gram_available{CLUSTER})"
)
_DISK = (
    f"ray_node_disk_usage{CLUSTER} / (ray_node_disk_usage{CLUSTER} + ray_node_disk_free{CLUSTER})"
)
_STORE = (
    f"ray_object_store_used_memory{CLUSTER} / "
    f"(ray_object_store_used_memory{CLUSTER} + ray_object_store_available_memory{CLUSTER})"
)

_WAITING = 'ray_placement_groups{State=~"PENDING|RESCHEDULING",SessionName=~"$cluster"}'

SUMMARY = Row(
    "Is the cluster at work?",
    (
        Panel(
            "Idle GPUs",
            "Below 5 % for five minutes while a run is on. Each costs as much as a busy one; the "
            "table below names them.",
            (Query(f"count({_IDLE}) or vector(0)", "idle"),),
            kind="stat",
            width=3,
            steps=RED_ABOVE_ZERO,
            needs="gpu",
        ),
        Panel(
            "GPUs",
            "That Ray's nodes see. Fewer than you pay for: a node has not come up.",
            (Query(f"sum(ray_node_gpus_available{CLUSTER})", "GPUs"),),
            kind="stat",
            width=3,
            steps=RED_AT_ZERO,
            needs="gpu",
        ),
        Panel(
            "Use of GPUs",
            "Mean over all of them: percent of the time in which a kernel ran.",
            (Query(f"avg({_USE})", "mean"),),
            unit="percent",
            kind="gauge",
            width=3,
            steps=((0, "red"), (50, "orange"), (80, "green")),
            least=0,
            most=100,
            needs="gpu",
        ),
        Panel(
            "Power",
            "Of all GPUs together. Little power at full use: kernels wait for memory.",
            (Query(f"sum(ray_node_gpu_power_milliwatts{CLUSTER}) / 1000", "all"),),
            unit="watt",
            kind="stat",
            width=3,
            steps=RED_AT_ZERO,
            needs="gpu",
        ),
        Panel(
            "Hottest GPU",
            "One above 85 degrees slows down.",
            (Query(f"max(ray_node_gpu_temperature_celsius{CLUSTER})", "hottest"),),
            unit="celsius",
            kind="stat",
            width=3,
            steps=((0, "green"), (80, "orange"), (85, "red")),
            needs="gpu",
        ),
        Panel(
            "Nodes",
            "That answer Prometheus. Fewer than you started: one is lost, or its port is shut.",
            (Query(f"count(ray_node_cpu_utilization{CLUSTER})", "nodes"),),
            kind="stat",
            width=3,
            steps=RED_AT_ZERO,
        ),
        Panel(
            "Fullest disk",
            "Of all nodes. Logs, staging of checkpoints and spilled objects need room.",
            (Query(f"max({_DISK})", "fullest"),),
            unit="percentunit",
            kind="stat",
            width=3,
            steps=((0, "green"), (0.8, "orange"), (0.9, "red")),
        ),
        Panel(
            "Fullest object store",
            "Of all nodes. A full one spills to disk.",
            (Query(f"max({_STORE})", "fullest"),),
            unit="percentunit",
            kind="stat",
            width=3,
            steps=((0, "green"), (0.8, "orange"), (0.9, "red")),
        ),
    ),
    height=5,
)

GPUS = Row(
    "Are the GPUs used?",
    (
        Panel(
            "Use of GPUs by node",
            "Percent of the time in which a kernel ran, mean over the GPUs of a node. It rises and "
            "falls with the kernel throughput beside it; high use and few pairs means small tiles. "
            "Below the first line half of what is paid for is idle.",
            (Query(f"avg by (instance) ({_USE})", "{{instance}}"),),
            unit="percent",
            width=12,
            steps=((0, "red"), (50, "orange"), (80, "green")),
            least=0,
            most=100,
            needs="gpu",
        ),
        Panel(
            "Kernel throughput",
            "Pairs of rows whose kernel was evaluated, and images updated, a second, in all runs.",
            (
                Query(f"sum(max by (run) ({series('pairs_per_second', CLUSTER)}))", "pairs/s"),
                Query(f"sum(max by (run) ({series('images_per_second', CLUSTER)}))", "images/s"),
            ),
            width=12,
            is_log=True,
            steps=RED_AT_ZERO,
        ),
        Panel(
            "GPUs over time",
            "One line for each GPU. Red lines stand still: a dead worker, or a straggler that the "
            "others wait for.",
            (Query(_USE, _GPU),),
            unit="percent",
            kind="state-timeline",
            width=16,
            steps=((0, "red"), (5, "orange"), (50, "yellow"), (80, "green")),
            needs="gpu",
        ),
        Panel(
            "GPUs that idle",
            "Node, number and percent, where it was below 5 for five minutes while a run is on.",
            (Query(f"sort({_IDLE})", is_instant=True),),
            unit="percent",
            kind="table",
            width=8,
            columns=(
                ("instance", "node"),
                ("GpuIndex", "GPU"),
                ("GpuDeviceName", "kind"),
                ("Value", "use"),
            ),
            needs="gpu",
        ),
        Panel(
            "Memory of GPUs",
            "Share in use. Near 1, lower memory_bytes or take more workers.",
            (Query(f"max by (instance, GpuIndex) ({_MEMORY})", _GPU),),
            unit="percentunit",
            width=8,
            least=0,
            most=1,
            steps=((0, "green"), (0.95, "red")),
            needs="gpu",
        ),
        Panel(
            "Power of GPUs",
            "Use at 100 % with little power: kernels wait for memory. The line is the most that an "
            "H100 or H200 may draw.",
            (
                Query(
                    f"max by (instance, GpuIndex) (ray_node_gpu_power_milliwatts{CLUSTER}) / 1000",
                    _GPU,
                ),
            ),
            unit="watt",
            width=8,
            steps=((0, "green"), (700, "red")),
            least=0,
            needs="gpu",
        ),
        Panel(
            "Temperature of GPUs",
            "One above 85 degrees slows down.",
            (
                Query(
                    f"max by (instance, GpuIndex) (ray_node_gpu_temperature_celsius{CLUSTER})",
                    _GPU,
                ),
            ),
            unit="celsius",
            width=8,
            steps=((0, "green"), (85, "red")),
            needs="gpu",
        ),
    ),
    height=9,
)

NODES = Row(
    "Are the nodes well?",
    (
        Panel(
            "Actors",
            "By state. Workers of a run are alive; RESTARTING or DEAD ones are lost workers. None "
            "at all: runs wait for a place, as groups that are PENDING do.",
            (
                Query(f"sum by (State) (ray_actors{CLUSTER})", "{{State}}"),
                Query(f"sum by (State) ({_WAITING})", "groups that are {{State}}"),
            ),
            width=8,
            is_stacked=True,
            steps=RED_AT_ZERO,
            least=0,
        ),
        Panel(
            "CPU",
            "Percent of all cores, by node. Above the line calls wait for a core.",
            (Query(f"ray_node_cpu_utilization{CLUSTER}", "{{instance}}"),),
            unit="percent",
            width=8,
            steps=((0, "green"), (95, "orange")),
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
            unit="percentunit",
            width=8,
            least=0,
            most=1,
            steps=((0, "green"), (0.9, "red")),
        ),
        Panel(
            "Object store",
            "Bytes of what travels between processes, by place. SPILLED is on disk: slow. "
            "Above the line something is not let go: a run keeps some hundred megabytes.",
            (
                Query(
                    f"sum by (Location) (ray_object_store_memory{CLUSTER})",
                    "{{Location}}",
                ),
            ),
            unit="bytes",
            width=8,
            is_stacked=True,
            steps=((0, "green"), (10e9, "orange")),
            least=0,
        ),
        Panel(
            "Network",
            "Bytes a second that came in and, below zero, went out, by node. The lines fill "
            "a network of 10 and of 100 Gbit/s.",
            (
                Query(f"ray_node_network_receive_speed{CLUSTER}", "in, {{instance}}"),
                Query(f"-ray_node_network_send_speed{CLUSTER}", "out, {{instance}}"),
            ),
            unit="Bps",
            width=8,
            steps=((-1e10, "red"), (-1e9, "green"), (1e9, "orange"), (1e10, "red")),
        ),
        Panel(
            "Disk",
            "Share in use, by node: logs, staging of checkpoints, spilled objects.",
            (Query(_DISK, "{{instance}}"),),
            unit="percentunit",
            width=8,
            least=0,
            most=1,
            steps=((0, "green"), (0.9, "red")),
        ),
    ),
)

ROWS = (SUMMARY, GPUS, NODES)
