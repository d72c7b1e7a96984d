"""Ten nodes with eight fake GPUs each on this machine; a program of test_fake_cluster.py.

``python fake_cluster.py FOLDER``: one step of every coupling on 80 workers; prints JSON objects.
"""

import json
import sys
import threading
import time

from ganntk.distributed.ray_session import stay_on_loopback

stay_on_loopback()

import psutil  # noqa: E402
import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from ganntk import config  # noqa: E402
from ganntk.distributed.choice import strategy_for  # noqa: E402
from ganntk.distributed.group import open_group  # noqa: E402

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


class Memory(threading.Thread):
    """The most memory that this program and all below it had together, shared pages once."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.is_over = 0, threading.Event()

    def run(self) -> None:
        while not self.is_over.wait(2):
            used = psutil.virtual_memory()
            self.peak = max(self.peak, used.total - used.available)


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
        strategy.advance(0, 1)
        compiled = time.monotonic()
        report = strategy.advance(1, 1)
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
        "loss": float(report.loss[0]),
    }


def main() -> None:
    """All couplings, one after the other, on one cluster."""
    used = psutil.virtual_memory()
    before = used.total - used.available
    memory = Memory()
    memory.start()
    began = time.monotonic()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "num_gpus": 0})
    for _ in range(NODES):
        cluster.add_node(num_cpus=GPUS, num_gpus=GPUS, object_store_memory=100 * 2**20)
    sys.stdout.write(json.dumps({"cluster_up": time.monotonic() - began}) + "\n")
    try:
        for name in sys.argv[1:] or COUPLINGS:
            sys.stdout.write(json.dumps(one_step(name, cluster.address)) + "\n")
            sys.stdout.flush()
    finally:
        cluster.shutdown()
        memory.is_over.set()
    left = [p.name() for p in psutil.Process().children(recursive=True)]
    found = {"peak_gb": (memory.peak - before) / 1e9, "left": left}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
