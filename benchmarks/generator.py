"""A generator on few digits: the objective and the distance to held-out digits along the run.

``python -m benchmarks.generator TRAIN TEST [--steps 2000] [--every 100]``, two IDX files. The
distances of the training digits themselves and of fresh ones stand below, on the same protocol.
"""

import argparse
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np

from benchmarks.harness import machine, table
from ganntk import config
from ganntk.data.idx import Idx
from ganntk.distributed.choice import strategy_for
from ganntk.distributed.group import open_group
from ganntk.features import open_extractor
from ganntk.images import to_png
from ganntk.metrics import frechet, kernel_distance
from ganntk.run_folder import sheet

CONFIG = "configs/generator_mnist.yaml"
SAMPLES, HELD_OUT = 2000, 2000


def main() -> None:
    """Train, measure at every report, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--features", default="random")
    parser.add_argument("--picture", help="save a curve as a PNG file")
    parser.add_argument("--samples", help="save 64 images of the end as a PNG file")
    parser.add_argument("--set", nargs="*", default=[], help="further words of a configuration")
    options = parser.parse_args()
    words = ["--data.uri", options.train, "--points.count", str(SAMPLES), *options.set]
    given = config.load(CONFIG, [*words, "--report_every", str(options.every)])
    extractor = open_extractor(options.features)
    held = Idx(uri=options.test, size=HELD_OUT).load().rows
    reference = extractor.extract(held)
    chosen = strategy_for(given)
    print(machine("cpu"))
    rows, curve = [], []
    with open_group(chosen.worker, given) as group:
        strategy = chosen(group, given)
        prepared = strategy.prepare()
        began = time.perf_counter()
        for taken in range(0, options.steps, options.every):
            report = strategy.advance(taken, options.every)
            loss = float(np.mean(report.loss[-20:])) / prepared.gram_real
            points = strategy.points()
            found = measured(extractor.extract(points), reference)
            curve.append((taken + options.every, loss, *found))
            step, *numbers = curve[-1]
            seconds = time.perf_counter() - began
            rows.append([step, *(f"{each:.4f}" for each in numbers), f"{seconds:.0f}"])
            print(*rows[-1], flush=True)
    print(table(["step", "loss / real row", "Fréchet", "kernel distance", "s"], rows))
    training = measured(extractor.extract(prepared.real), reference)
    fresh = Idx(uri=options.train, size=HELD_OUT, seed=99).load().rows
    again = measured(extractor.extract(fresh), reference)
    for name, (distance, kernel) in {"training": training, "fresh": again}.items():
        print(f"{name} digits: Fréchet {distance:.4f}, kernel distance {kernel:.4f}")
    if options.samples:
        Path(options.samples).write_bytes(to_png(sheet(points[:64])))
    if options.picture:
        draw(curve, training, options.picture)


def measured(features: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """Fréchet and kernel distance between features."""
    return frechet.between(features, reference), kernel_distance.between(features, reference).value


def draw(curve: list[tuple[float, ...]], training: tuple[float, float], path: str) -> None:
    """The objective and the Fréchet distance over the steps."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    steps, losses, distances, _ = zip(*curve, strict=True)
    figure, left = plt.subplots(figsize=(7, 4), constrained_layout=True)
    left.plot(steps, losses, color="tab:blue")
    left.set(xlabel="step", ylabel="objective / real row (blue)")
    right = left.twinx()
    right.plot(steps, distances, color="tab:orange")
    right.axhline(training[0], color="tab:orange", linestyle=":", label="the training digits")
    right.set(ylabel="Fréchet distance to held-out digits (orange)", yscale="log")
    right.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
