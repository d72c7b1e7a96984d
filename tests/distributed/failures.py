"""A run on a real Ray that something happens to; a program of test_ray_failures.py.

``python failures.py SCENARIO FOLDER WORDS...``: prints one JSON object.
"""

import json
import logging
import os
import signal
import sys
import threading
import time

from ganntk.distributed.ray_session import stay_on_loopback

stay_on_loopback()

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

from ganntk import config, distributed  # noqa: E402
from ganntk.distributed.choice import SharedGram, Training  # noqa: E402
from ganntk.distributed.sets import BatchedSets, Sets  # noqa: E402

WORKERS = [strategy.worker for strategy in (SharedGram, Training, BatchedSets, Sets)]


class Watcher:
    """Does something once, in the middle of the steps after the first block."""

    def __init__(self, act):
        self.act, self.thread = act, None

    def phase(self, sentence):
        """Nothing."""

    def step(self, step, *rest):
        """Start the act beside the next block."""
        if self.thread is None:
            self.thread = threading.Thread(target=self._later)
            self.thread.start()

    def _later(self):
        time.sleep(0.3)
        self.act()


def workers() -> list[psutil.Process]:
    """The processes of the actors, by the name that Ray gives them."""
    found = psutil.process_iter(["cmdline"])
    names = tuple(f"ray::{worker.__name__}" for worker in WORKERS)
    return sorted(
        (p for p in found if p.info["cmdline"] and p.info["cmdline"][0].startswith(names)),
        key=lambda p: p.pid,
    )


def send(number: signal.Signals, which: int):
    """An act: a signal to one worker of this program."""

    def act():
        mine = {p.pid for p in psutil.Process().children(recursive=True)}
        chosen = [p for p in workers() if p.pid in mine][which]
        os.kill(chosen.pid, number)

    return act


def let_in(pipe: str, ready: str):
    """Let rows into a named pipe's place, when all workers wait in it for rows."""
    mine = psutil.Process()
    while not {p.pid for p in workers()} & {p.pid for p in mine.children(recursive=True)}:
        time.sleep(0.2)
    time.sleep(10)  # they have started, and are reading
    os.replace(ready, pipe)


def stuck_at(folder: str) -> list[str]:
    """The words of a run whose workers get stuck in a call, though their processes are well."""
    pipe, ready = f"{folder}-rows.npy", f"{folder}-ready.npy"
    np.save(ready, np.random.default_rng(0).uniform(size=(24, 8, 8, 1)).astype(np.float32))
    os.mkfifo(pipe)
    threading.Thread(target=let_in, args=(pipe, ready), daemon=True).start()
    return ["--data.type", "array", "--data.uri", pipe]


class Lost(logging.Handler):
    """Remembers what was said of failures."""

    def __init__(self):
        super().__init__()
        self.sentences = []

    def emit(self, record):
        """Remember."""
        self.sentences.append(record.getMessage())


def raylets(node) -> list[int]:
    """The processes that start the workers of a node."""
    return [each.process.pid for each in node.all_processes["raylet"]]


def main():
    """Run the scenario."""
    scenario, folder, *words = sys.argv[1:]
    words = [*words, "--run_uri", folder]
    cluster = None
    acts = {
        "undisturbed": lambda: None,
        "kill": send(signal.SIGKILL, -1),
        "kill-solver": send(signal.SIGKILL, 0),
        "hang": send(signal.SIGSTOP, -1),
        "stuck": lambda: None,
    }
    if scenario == "node":
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
        words += ["--cluster.address", cluster.address]

        def remove():
            # The node of a worker, not the spare one: its raylet is the parent of the worker.
            parent = workers()[-1].ppid()
            (of_worker,) = (node for node in nodes if parent in raylets(node))
            cluster.remove_node(of_worker, allow_graceful=False)

        acts["node"] = remove
    else:
        words += ["--cluster.address", "local"]
    if scenario == "stuck":
        words += stuck_at(folder)
    watcher, lost = Watcher(acts[scenario]), Lost()
    logging.getLogger("ganntk.distributed.guarded").addHandler(lost)
    began = time.monotonic()
    result = distributed.run(config.load(None, words), watcher)
    if watcher.thread is not None:
        watcher.thread.join()
    if cluster is not None:
        cluster.shutdown()
    said = {"loss": result.loss, "seconds": time.monotonic() - began, "lost": lost.sentences}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
