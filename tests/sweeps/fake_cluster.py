"""A sweep on nodes with eight fake GPUs each; a program of test_fake_cluster.py.

``python fake_cluster.py NODES WORKERS FOLDER``: as many trials of so many workers as there are GPUs
for, all at once. When all have taken steps, the sweep is interrupted. Prints one JSON object.
"""

import glob
import json
import os
import signal
import sys
import tempfile
import threading
import time

from ganntk.distributed.ray_session import stay_on_loopback

stay_on_loopback()
# Many processes that start at once on two cores answer late, and compile the same programs.
os.environ |= {
    "JAX_COMPILATION_CACHE_DIR": tempfile.mkdtemp(prefix="jax-cache-"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "900",
    "RAY_gcs_server_request_timeout_seconds": "900",
    "RAY_health_check_timeout_ms": "600000",
    "RAY_health_check_initial_delay_ms": "600000",
    "RAY_worker_register_timeout_seconds": "900",
    "OMP_NUM_THREADS": "1",
    # Ninety processes with JAX take nearly all of a small machine's memory.
    "MALLOC_ARENA_MAX": "1",
    # Ray ends a trial at 95 % of the memory, which swap is not counted into.
    "RAY_memory_monitor_refresh_ms": "0",
}

import psutil  # noqa: E402
import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from ganntk import sweeps  # noqa: E402
from ganntk.sweeps.ledger import State  # noqa: E402
from tests.sweeps.given import sweep_of  # noqa: E402
from tests.used_memory import UsedMemory  # noqa: E402

GPUS = 8


class Watcher:
    """Interrupts when as many trials run as there are, and each has taken steps."""

    def __init__(self, folder):
        self.most, self.free, self.folder = 0, -1.0, folder
        self.began, self.seconds, self.stepped_in = time.monotonic(), 0.0, 0.0

    def phase(self, sentence):
        """Nothing."""

    def shared(self, made, found):
        """Nothing."""

    def trials(self, counts, total, best):
        """Count those that run."""
        self.most = max(self.most, counts[State.RUNNING])
        if counts[State.RUNNING] == total and not self.seconds:
            self.seconds = time.monotonic() - self.began
            self.free = ray.available_resources().get("GPU", 0.0)
            threading.Thread(target=self._interrupt, args=(total,), daemon=True).start()

    def _interrupt(self, total):
        """Interrupt the sweep when all of its runs have recorded steps."""
        pattern = os.path.join(self.folder, "trials", "*", "metrics.jsonl")
        while len([path for path in glob.glob(pattern) if os.path.getsize(path)]) < total:
            time.sleep(1.0)
        self.stepped_in = time.monotonic() - self.began
        os.kill(os.getpid(), signal.SIGINT)


def main():
    """Carry the sweep out until it is interrupted."""
    nodes, workers, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    trials = nodes * GPUS // workers
    memory = UsedMemory()
    memory.start()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
    for _ in range(nodes):
        cluster.add_node(num_cpus=GPUS, num_gpus=GPUS, object_store_memory=100 * 2**20)
    sweep = sweep_of(
        folder,
        budget={"trials": trials},
        run={
            "steps": 10**7,
            "data": {"size": 16},
            "points": {"count": 16},
            "cluster": {
                "address": cluster.address,
                "workers": workers,
                "cpus_per_worker": 0.1,
                "gpus_per_worker": 1,
            },
        },
    )
    watcher, is_interrupted = Watcher(folder), False
    try:
        sweeps.run(sweep, watcher)
    except KeyboardInterrupt:
        is_interrupted = True
    ended_in = time.monotonic() - watcher.began - watcher.stepped_in
    # The sweep has left the cluster, and its trials with it.
    ray.init(address=cluster.address, log_to_driver=False)
    time.sleep(5)
    found = {
        "most": watcher.most,
        "trials": trials,
        "seconds": watcher.seconds,
        "stepped_in": watcher.stepped_in,
        "free_while": watcher.free,
        "interrupted": is_interrupted,
        "ended_in": ended_in,
        "free_after": ray.available_resources().get("GPU", 0.0),
    }
    ray.shutdown()
    # Those whose parents end first are nobody's children afterwards.
    ours = psutil.Process().children(recursive=True)
    cluster.shutdown()
    memory.stop()
    found["peak_gb"] = memory.peak_gb
    found["left"] = [p.name() for p in psutil.wait_procs(ours, timeout=60)[1]]
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
