"""Checkpoints: what a step waits for, the time until one is durable, the time to restore one.

``python -m benchmarks.checkpoint [--megabytes 8 200] [--uri s3://bucket/folder]``. Without a URI
it writes to a temporary folder, and to moto's S3 server on loopback, which it starts: a store's
protocol without a network. The peer is Orbax's own asynchronous checkpointer on the same local
disk, which writes no hashes and no manifest and uploads nowhere.
"""

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp

from benchmarks.harness import duration, machine, table
from ganntk.checkpoint import store
from ganntk.checkpoint.policy import Checkpoints
from ganntk.checkpoint.writer import Writer


class Times(NamedTuple):
    """Seconds of one checkpoint.

    Attributes:
        held: until the next step may start.
        durable: until it is committed.
        restored: to read and verify it.
    """

    held: float
    durable: float
    restored: float


def state(megabytes: float) -> dict[str, jax.Array]:
    """Points and the two moments of Adam, float32, on the device."""
    rows = max(1, int(megabytes * 1e6 / 3 / 4 / 4096))
    numbers = np.random.default_rng(0).normal(size=(3, rows, 64, 64, 1)).astype(np.float32)
    return dict(zip(("points", "mu", "nu"), map(jnp.asarray, numbers), strict=True))


def ours(uri: str, tree: dict[str, jax.Array], repeats: int) -> list[Times]:
    """The writer of a run, again and again."""
    found = []
    writer = Writer(uri, Checkpoints(keep=1), fingerprint="f", data_fingerprint="d")
    for step in range(1, repeats + 2):
        began = time.perf_counter()
        writer.save(step, jax.tree.map(np.array, tree))
        held = time.perf_counter() - began
        writer.wait()
        durable = time.perf_counter() - began
        began = time.perf_counter()
        store.restore(uri)
        found.append(Times(held, durable, time.perf_counter() - began))
    writer.close()
    return found[1:]


def peer(folder: str, tree: dict[str, jax.Array], repeats: int) -> list[Times]:
    """Orbax alone."""
    found = []
    with ocp.AsyncCheckpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
        for step in range(1, repeats + 2):
            path = os.path.join(folder, str(step))
            began = time.perf_counter()
            checkpointer.save(path, args=ocp.args.PyTreeSave(tree))
            held = time.perf_counter() - began
            checkpointer.wait_until_finished()
            durable = time.perf_counter() - began
            began = time.perf_counter()
            checkpointer.restore(path)
            found.append(Times(held, durable, time.perf_counter() - began))
    return found[1:]


def slowed(uri: str, tree: dict[str, jax.Array], seconds: float = 3.0) -> tuple[float, float]:
    """Median seconds of a step of the same device, alone and beside checkpoints without a pause."""
    matrix = jnp.asarray(np.random.default_rng(1).normal(size=(700, 700)).astype(np.float32))
    step = jax.jit(lambda a: a @ a @ a)

    def steps() -> float:
        taken, end = [], time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            jax.block_until_ready(step(matrix))
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)

    steps()
    alone, is_over = steps(), threading.Event()

    def save() -> None:
        writer = Writer(uri, Checkpoints(keep=1), fingerprint="f", data_fingerprint="d")
        count = 0
        while not is_over.is_set():
            count += 1
            writer.save(count, jax.tree.map(np.array, tree))
            writer.wait()
        writer.close()

    beside = threading.Thread(target=save)
    beside.start()
    found = steps()
    is_over.set()
    beside.join()
    return alone, found


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """An S3 server of moto, with a bucket; gives a URI in it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    server = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
                break
            time.sleep(0.25)
        request = urllib.request.Request(f"{url}/runs", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        os.environ |= {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        }
        yield "s3://runs/benchmark"
    finally:
        server.terminate()
        server.wait(10)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[8, 200])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--uri", help="a folder on any storage, instead of the two of this machine")
    given = parser.parse_args()
    print(machine("cpu"), flush=True)
    with contextlib.ExitStack() as open_places:
        folder = open_places.enter_context(tempfile.TemporaryDirectory())
        places: dict[str, tuple[Callable[..., list[Times]], str]]
        if given.uri:
            places = {"ganntk": (ours, given.uri)}
        else:
            places = {
                "Orbax alone, local": (peer, os.path.join(folder, "orbax")),
                "ganntk, local": (ours, os.path.join(folder, "ganntk")),
                "ganntk, S3": (ours, open_places.enter_context(s3_server())),
            }
        lines = []
        for megabytes in given.megabytes:
            tree = state(megabytes)
            for name, (measure, uri) in places.items():
                found = measure(f"{uri}-{megabytes:g}", tree, given.repeats)
                lines.append([f"{megabytes:g} MB", name, *_cells(found)])
                print(*lines[-1], sep="  ", flush=True)
            alone, beside = slowed(os.path.join(folder, f"slowed-{megabytes:g}"), tree)
            print(f"a step of {duration(alone)} takes {duration(beside)} beside saves", flush=True)
    print(table(["state", "where", "a step is held up", "durable after", "restored in"], lines))


def _cells(found: list[Times]) -> Iterator[str]:
    for series in zip(*found, strict=True):
        low, high = map(duration, (min(series), max(series)))
        yield f"{duration(statistics.median(series))} ({low} to {high})"


if __name__ == "__main__":
    main()
