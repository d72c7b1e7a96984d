"""Whether GPUs are used, and whether nodes are well."""

from dashboards.model import Panel, Query, Row
from dashboards.queries import CLUSTER, RED_ABOVE_ZERO, series

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
            steps=RED_ABOVE_ZERO,
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
