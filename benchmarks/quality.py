"""Fidelity against novelty: ways to run GA-NTK on few images, and what each is worth.

``python -m benchmarks.quality TRAINING REFERENCE HELD_OUT --features classifier:IMAGES``, three
sources as `ganntk evaluate` takes them. Every way makes its rows with `ganntk synthesize`; as many
of them as there are training rows are measured, in the same protocol as the three baselines below
and warped training images that no kernel has seen. Distances are comparable for equal counts only.
"""

import argparse
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import machine, table
from ganntk import config
from ganntk.data.located import source_of
from ganntk.data.warped import Warped
from ganntk.distributed import run
from ganntk.evaluation import Protocol, choose, measure
from ganntk.features import open_extractor
from ganntk.images import to_png
from ganntk.run_folder import RunFolder, sheet

ADAM = {"name": "adam", "learning_rate": 0.1}
NOVELTY = {"type": "novelty", "every": 4}
WAYS: dict[str, dict[str, Any]] = {
    "converged": {"steps": 500, "optimizer": {"name": "adam", "learning_rate": 0.02}},
    "novelty stop": {"steps": 500, "stopping": NOVELTY},
    "annealed lam, novelty stop": {
        "steps": 500,
        "lam": {"type": "annealed", "error": 1e-3, "last_error": 0.1, "steps": 100},
        "stopping": NOVELTY,
    },
    "batch-wise, novelty stop": {
        "steps": 500,
        "coupling": {"type": "batchwise", "batch": 64},
        "stopping": NOVELTY,
    },
    "four times as many rows, novelty stop": {"steps": 500, "points": 4, "stopping": NOVELTY},
    "warped rows, converged": {"steps": 300, "warped": True},
    "warped rows, batch-wise": {
        "steps": 300,
        "warped": True,
        "coupling": {"type": "batchwise", "batch": 64},
    },
}


class Quiet:
    """Nobody watches."""

    def phase(self, sentence: str) -> None:
        """Say nothing."""

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """Say nothing."""


def main() -> None:
    """Make the rows of every way, measure them, print a table for each measure."""
    options = _parser().parse_args()
    training = source_of(options.training).load().rows
    reference, held_out = (source_of(s).load().rows for s in (options.reference, options.held_out))
    extractors = [open_extractor(uri, cache_uri=options.cache) for uri in options.features]
    warped = _warped(options)
    made: dict[str, tuple[np.ndarray, str]] = {
        "warped training images": (warped.load().rows[: len(training)], "-")
    }
    for name in options.ways or WAYS:
        made[name] = _made(name, options, warped, len(training))
    print(machine("cpu"))
    for extractor in extractors:
        lines = []
        for name, (rows, note) in made.items():
            generated = _spread(rows, len(training))
            sets = choose(generated, training, reference, held_out, noise=0.1, seed=0)
            quality = measure(sets, Protocol([extractor]), name="reference")
            similarity, features = quality.tables
            for ours, theirs in zip(similarity.sets, features.sets, strict=True):
                if ours.name == "generated" or not lines or name == "warped training images":
                    label = name if ours.name == "generated" else ours.name
                    lines.append([label, note if label == name else "-", *_cells(ours, theirs)])
        print(f"\n{extractor.name}, {len(training)} rows each\n")
        print(table(HEAD, lines))
    if options.pictures:
        _draw(Path(options.pictures), training, made)


HEAD = ["rows", "steps, seconds", "Fréchet", "kernel distance", "AM-SSIM"]
HEAD += ["memorised, SSIM", "memorised, features", "precision", "recall"]


def _cells(similarity: Any, features: Any) -> list[str]:
    near, far = similarity.numbers, features.numbers
    shown = [far["frechet"], far["kernel_distance"], near["am_ssim"], near["memorisation"]]
    shown += [far["memorisation"], far["precision"], far["recall"]]
    return [f"{e.value:.3g} ± {max(e.high - e.value, e.value - e.low):.2g}" for e in shown]


def _made(
    name: str, options: argparse.Namespace, warped: Warped, count: int
) -> tuple[np.ndarray, str]:
    """The generated rows of one way."""
    way = {"lam": {"type": "fixed", "value": options.lam}, "optimizer": ADAM, **WAYS[name]}
    is_warped, times = way.pop("warped", False), way.pop("points", 1)
    with tempfile.TemporaryDirectory() as folder:
        raw = {
            "run_uri": str(Path(folder) / "run"),
            "kernel": {"type": "named", "name": options.kernel},
            "points": {"count": times * count},
            "report_every": 20,
            "sample_every": 500,
            "seed": options.seed,
            **way,
        }
        source = warped if is_warped else source_of(options.training)
        given = dataclasses.replace(config.decode(raw), data=source)
        began = time.perf_counter()
        result = run(given, Quiet())
        seconds = time.perf_counter() - began
        saved = RunFolder.open(result.run_uri).read_images()
    assert saved is not None
    print(f"{name}: {result.steps} steps, {seconds:.0f} s", flush=True)
    return saved.rows, f"{result.steps}, {seconds:.0f}"


def _spread(rows: np.ndarray, count: int) -> np.ndarray:
    """As many rows, evenly chosen."""
    return rows[np.linspace(0, len(rows) - 1, count).round().astype(int)]


def _draw(folder: Path, training: np.ndarray, made: dict[str, tuple[np.ndarray, str]]) -> None:
    """A picture of 36 rows of each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in {"training": training, **{k: v[0] for k, v in made.items()}}.items():
        file = folder / f"{name.replace(',', '').replace(' ', '-')}.png"
        file.write_bytes(to_png(sheet(_spread(rows, 36))))


def _warped(options: argparse.Namespace) -> Warped:
    return Warped(
        of=source_of(options.training),
        copies=options.copies,
        amplitude=options.amplitude,
        smoothness=options.smoothness,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training")
    parser.add_argument("reference")
    parser.add_argument("held_out")
    parser.add_argument("--features", nargs="+", default=["random"])
    parser.add_argument("--kernel", default="cnn-mnist")
    parser.add_argument("--lam", type=float, default=5.12)
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--amplitude", type=float, default=2.0, help="of the warps, in pixels")
    parser.add_argument("--smoothness", type=float, default=5.0, help="of the warps, in pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", default="runs/features")
    parser.add_argument("--ways", nargs="*", choices=list(WAYS))
    parser.add_argument("--pictures", help="a folder for PNG files")
    return parser


if __name__ == "__main__":
    main()
