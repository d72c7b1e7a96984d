"""Ten nodes with eight fake GPUs each on this machine; a program of test_fake_cluster.py.

``python fake_cluster.py FOLDER``: one step of every coupling on 80 workers; prints JSON objects.
"""

import json
import os
import sys
import tempfile
import time

from ganntk.distributed.ray_session import stay_on_loopback

stay_on_loopback()
_CACHE = tempfile.TemporaryDirectory(prefix="jax-cache-")
# Eighty processes that start at once on two cores answer late, and compile the same programs; those
# that are not optimised are as large as a third of a process.
os.environ |= {
    "JAX_COMPILATION_CACHE_DIR": _CACHE.name,
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "900",
    "RAY_gcs_server_request_timeout_seconds": "900",
    "RAY_health_check_timeout_ms": "600000",
    "RAY_health_check_initial_delay_ms": "600000",
    "RAY_worker_register_timeout_seconds": "900",
    "OMP_NUM_THREADS": "1",
    # Eighty processes with JAX take 19 GB, which is nearly all of a small machine.
    "MALLOC_ARENA_MAX": "1",
    "RAY_memory_monitor_refresh_ms": "0",
}

import psutil  # noqa: E402
import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from ganntk import config  # noqa: E402
from ganntk.distributed.choice import strategy_for  # noqa: E402
from ganntk.distributed.group import open_group  # noqa: E402
from tests.used_memory import UsedMemory  # noqa: E402

NODES, GPUS = 10, 8
WORKERS = NODES * GPUS
WORDS = [
    *["--kernel", "fnn", "--data.type", "mixture", "--data.size", "160", "--points.count", "160"],
    *["--lam", "30", "--report_every", "1", "--cluster.workers", str(WORKERS)],
    *["--cluster.cpus_per_worker", "0.1", "--cluster.gpus_per_worker", "1"],
]
COUPLINGS = {
    "exact, rows": ["--coupling.exchange", "rows"],
    "exact, vectors": ["--coupling.exchange", "vectors", "--solver", "lanczos"],
    "independent": ["--coupling.type", "independent", "--coupling.sets", str(WORKERS)],
    "batchwise": [
        *["--coupling.type", "batchwise", "--coupling.sets", str(WORKERS)],
        *["--coupling.batch", "16", "--points.count", "16"],
    ],
    "generator": [
        *["--coupling.type", "generator", "--coupling.network.type", "dense"],
        *["--coupling.batch", "16", "--coupling.batches", str(WORKERS)],
    ],
}


def compile_once(name: str) -> list[float]:
    """The same two steps in this process: eighty workers find what is compiled on disk."""
    given = config.load(None, [*WORDS, *COUPLINGS[name]])
    chosen = strategy_for(given)
    strategy = chosen(open_group(chosen.worker, given), given)
    strategy.prepare()
    # The loss of a step is that before its move: the second one says where the first one led.
    return [float(strategy.advance(step, 1).loss[0]) for step in range(2)]


def one_step(name: str, address: str) -> dict:
    """Placement, preparation and one step of a coupling, with the seconds of each."""
    given = config.load(None, [*WORDS, *COUPLINGS[name], "--cluster.address", address])
    chosen = strategy_for(given)
    began = time.monotonic()
    with open_group(chosen.worker, given) as group:
        group.call("ping")
        started = time.monotonic()
        strategy = chosen(group, given)
        strategy.prepare()
        prepared = time.monotonic()
        first = strategy.advance(0, 1)
        compiled = time.monotonic()
        second = strategy.advance(1, 1)
        ended = time.monotonic()
        calls = []
        for _ in range(5):
            before = time.monotonic()
            group.call("ping")
            calls.append(time.monotonic() - before)
        free = ray.available_resources().get("GPU", 0)
    return {
        "coupling": name,
        "start": started - began,
        "prepare": prepared - started,
        "first_step": compiled - prepared,
        "step": ended - compiled,
        "call": sorted(calls)[2],
        "close": time.monotonic() - ended,
        "free_gpus": free,
        "loss": [float(first.loss[0]), float(second.loss[0])],
    }


def main() -> None:
    """All couplings, one after the other, on one cluster."""
    memory = UsedMemory()
    memory.start()
    began = time.monotonic()
    names = sys.argv[1:] or list(COUPLINGS)
    wanted = {name: compile_once(name) for name in names}
    sys.stdout.write(json.dumps({"compile": time.monotonic() - began}) + "\n")
    began = time.monotonic()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
    for _ in range(NODES):
        cluster.add_node(num_cpus=GPUS, num_gpus=GPUS, object_store_memory=100 * 2**20)
    sys.stdout.write(json.dumps({"cluster_up": time.monotonic() - began}) + "\n")
    try:
        for name in names:
            found = one_step(name, cluster.address) | {"wanted": wanted[name]}
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
    finally:
        # Those whose parents end first are nobody's children afterwards.
        ours = psutil.Process().children(recursive=True)
        cluster.shutdown()
        memory.stop()
    left = [p.name() for p in psutil.wait_procs(ours, timeout=180)[1]]
    found = {"peak_gb": memory.peak_gb, "left": left}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
