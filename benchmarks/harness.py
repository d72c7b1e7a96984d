"""Cases in processes of their own, medians with their spread, peak memory, tables."""

import argparse
import dataclasses
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

REPEATS = 5


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of several runs after the first, and the peak memory of the process."""

    seconds: list[float]
    peak_bytes: int
    first_seconds: float = 0.0

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        """Median with the smallest and the largest."""
        least, most = duration(min(self.seconds)), duration(max(self.seconds))
        return f"{duration(self.median)} ({least} to {most})"


def alone(function: Callable[..., Any], *arguments: Any, threads: int | None = None) -> Any:
    """Call a module's function in a fresh process, so that its peak memory is its own.

    Args:
        function: of a module that can be imported; gives what JSON can hold.
        arguments: strings, numbers, lists.
        threads: cores that the process may use; None for all.

    Returns:
        What the function gave, or a string that says how its process ended.
    """
    module = sys.modules[function.__module__]
    spec = getattr(module, "__spec__", None)
    call = json.dumps([spec.name if spec else module.__name__, function.__name__, list(arguments)])
    program = (
        "import importlib, json, sys\n"
        "module, name, arguments = json.loads(sys.argv[1])\n"
        "found = getattr(importlib.import_module(module), name)(*arguments)\n"
        "print('RESULT ' + json.dumps(found))\n"
    )
    command = [sys.executable, "-c", program, call]
    if threads is not None:
        command = ["taskset", "-c", f"0-{threads - 1}", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return json.loads(line.removeprefix("RESULT "))
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    return f"ended with {done.returncode}: {last[:160]}"


def timed(call: Callable[[], Any], repeats: int = REPEATS) -> Timing:
    """Call once to compile and warm up, then `repeats` times; arrays are waited for."""
    import jax

    began = time.perf_counter()
    jax.block_until_ready(call())
    first = time.perf_counter() - began
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - began)
    return Timing(seconds, peak_bytes(), first)


def peak_bytes() -> int:
    """The accelerator's peak memory, or the process's on a CPU."""
    import jax

    stats = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    if stats:
        return int(stats["peak_bytes_in_use"])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def free_bytes() -> int:
    """Memory that a case may take, on the device that JAX computes on."""
    import jax

    stats = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    if stats:
        return int(stats["bytes_limit"])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def choose_device(device: str) -> None:
    """Let JAX compute on the CPU or the GPU; before its first use."""
    import jax

    jax.config.update("jax_platforms", {"cpu": "cpu", "gpu": "cuda"}[device])


def arguments(description: str | None, sizes: Sequence[int]) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(sizes), help="real rows n")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="timed runs of each case")
    parser.add_argument("--json", help="also write the results to this file")
    return parser


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def duration(seconds: float) -> str:
    """Three digits, in the unit that suits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            return f"{seconds / size:.3g} {unit}"
    raise AssertionError


def gigabytes(count: float) -> str:
    """Decimal gigabytes, two digits."""
    return f"{count / 1e9:.2g} GB"


def machine(device: str) -> str:
    """One line about the machine and the versions."""
    import jax

    name = jax.devices()[0].device_kind if device == "gpu" else _processor()
    load = os.getloadavg()[0]
    return (
        f"{name}, {len(os.sched_getaffinity(0))} cores, load {load:.1f} at the start; "
        f"Python {platform.python_version()}, JAX {jax.__version__}"
    )


def _processor() -> str:
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        found = dict(line.split(":", 1) for line in lines if ":" in line)
    names = {key.strip(): value.strip() for key, value in found.items()}
    flags = set(names.get("flags", "").split())
    vectors = next((f for f in ("avx512f", "avx2", "avx") if f in flags), "no AVX")
    return f"{names.get('model name', platform.machine())} ({vectors})"
