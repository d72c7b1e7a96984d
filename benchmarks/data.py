"""From pictures to the first step: conversion to Parquet, loading, and a run's first step.

``python -m benchmarks.data [--count 60000] [--side 28]``. The peer opens one picture after another
with Pillow, as the folders of torchvision do.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.harness import duration, table
from ganntk.data import conversion
from ganntk.data.folder import Folder
from ganntk.data.parquet import Parquet

REPEATS = 3
RUN = [
    *["--kernel", "cnn-mnist", "--lam", "1.28", "--steps", "1", "--cluster.address", "none"],
    *["--coupling.type", "batchwise", "--coupling.batch", "64", "--points.count", "64"],
    *["--coupling.sets", "1", "--data.type", "parquet"],
]


def draw(folder: Path, count: int, side: int) -> None:
    """Grey pictures of smooth noise in ten folders, as PNG files."""
    random = np.random.default_rng(0)
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (7, 7), dtype=np.uint8))
        small.resize((side, side), Image.Resampling.BICUBIC).save(
            folder / str(number % 10) / f"{number:06d}.png"
        )


def one_by_one(folder: Path) -> np.ndarray:
    """What a loop over a folder gives: every picture opened, decoded and divided by 255."""
    rows = [
        np.asarray(Image.open(path).convert("L"), np.float32)[..., None] / 255
        for path in sorted(folder.rglob("*.png"))
    ]
    return np.stack(rows)


def convert(folder: Path, to: Path) -> dict[str, Any]:
    """Every picture to Parquet, in this process."""
    return conversion.convert(conversion.begin(Folder(uri=str(folder)), str(to)))


def first_step(uri: Path, run_uri: Path, size: int | None) -> None:
    """A run of one step in a process of its own, imports and compilation included."""
    words = [*RUN, "--data.uri", str(uri), "--run_uri", str(run_uri)]
    words += [] if size is None else ["--data.size", str(size)]
    command = [sys.executable, "-m", "ganntk", "synthesize", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-600:])


def measure(call: Callable[[int], Any]) -> list[float]:
    """Seconds of each of some calls, which get their number."""
    seconds = []
    for number in range(REPEATS):
        began = time.perf_counter()
        call(number)
        seconds.append(time.perf_counter() - began)
    return sorted(seconds)


def rows_of(home: Path, count: int, side: int) -> list[list[str]]:
    """Measure everything in a folder that holds nothing yet."""
    pictures, sets = home / "pictures", home / "sets"
    draw(pictures, count, side)
    found = {
        "one by one, with Pillow": measure(lambda _: one_by_one(pictures)),
        "`ganntk data convert`": measure(lambda k: convert(pictures, sets / str(k))),
        "loading all from the folder": measure(lambda _: Folder(uri=str(pictures)).load()),
        "loading all from Parquet": measure(lambda _: Parquet(uri=str(sets / "0")).load()),
        "loading 256 from Parquet": measure(
            lambda _: Parquet(uri=str(sets / "0"), size=256).load()
        ),
    }
    lines = [_line(name, seconds, count) for name, seconds in found.items()]
    for name, size in (("all", None), ("256", 256)):
        seconds = measure(lambda k, s=size, n=name: first_step(sets / "0", home / f"{n}{k}", s))
        lines.append(_line(f"a run of one step on {name} of them", seconds, None))
    return lines


def _line(name: str, seconds: list[float], count: int | None) -> list[str]:
    median = seconds[len(seconds) // 2]
    spread = f"{duration(median)} ({duration(seconds[0])} to {duration(seconds[-1])})"
    return [name, spread, f"{count / median:,.0f}" if count else ""]


def main() -> None:
    """Parse the options and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--json", help="also write the lines to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ganntk-data-") as home:
        lines = rows_of(Path(home), options.count, options.side)
    print(f"{options.count} grey pictures of {options.side} x {options.side}, PNG files\n")
    print(table(["", "time", "images/s of all"], lines))
    if options.json:
        Path(options.json).write_text(json.dumps(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
