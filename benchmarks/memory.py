"""Peak memory of one exact step, in a process of its own, against neural-tangents.

A step of ganntk fills the Gram matrix of n real and n generated rows, solves, pulls the cotangent
back and moves the rows. The peer's graph of kernel and gradient is compiled for the same sizes, and
XLA's own count of its temporary memory is given: it need not fit to be counted.
"""

import dataclasses
import json
import math
from pathlib import Path

from benchmarks import harness, peers

SIZES = {"cnn-mnist": 2048, "cnn-cifar10": 1024, "cnn-celeba": 512}


def step(device: str, name: str, n: int) -> dict[str, float]:
    """Take two exact steps; seconds of the second and the peak memory of the process."""
    harness.choose_device(device)
    import numpy as np

    from ganntk import synthesis
    from ganntk.generators import Points
    from ganntk.kernels import named
    from ganntk.lam import Fixed, reference_rate
    from ganntk.objectives import SquaredError
    from ganntk.optimizers import Optimizer
    from ganntk.synthesis import Problem

    rows = np.random.default_rng(0).uniform(size=(n, *peers.SHAPES[name])).astype(np.float32)
    problem = Problem(named(name), SquaredError(), Optimizer().build(), Points())
    with synthesis.numerics():
        real = synthesis.prepare(problem, rows)
        state = synthesis.init(
            dataclasses.replace(problem, lam=Fixed(reference_rate(2, n, n))), real, seed=0
        )

        def advance():
            nonlocal state
            state, report = synthesis.advance(problem, real, state, steps=1)
            return report

        found = harness.timed(advance, 1)
    return {"seconds": found.median, "peak": found.peak_bytes}


def peer(device: str, name: str, n: int) -> float:
    """Bytes that neural-tangents' kernel and gradient need beside their arguments."""
    harness.choose_device(device)
    import jax

    shape = (n, *peers.SHAPES[name])
    abstract = [jax.ShapeDtypeStruct(each, "float32") for each in (shape, shape, (2 * n, 2 * n))]
    compiled = peers.peer_step(name).lower(peers.Rows(*abstract)).compile()  # type: ignore[arg-type]
    return compiled.memory_analysis().temp_size_in_bytes


def main() -> None:
    """Print the table."""
    given = harness.arguments(__doc__, [1]).parse_args()
    print(harness.machine(given.device), flush=True)
    lines, results = [], []
    for name, n in SIZES.items():
        ours = harness.alone(step, given.device, name, n)
        theirs = harness.alone(peer, given.device, name, n)
        results.append({"kernel": name, "n": n, "ganntk": ours, "neural-tangents": theirs})
        image = " x ".join(map(str, peers.SHAPES[name]))
        lines.append([name, image, str(n), *_cells(ours), _peer_cell(theirs)])
        print(*lines[-1], sep="  ", flush=True)
    head = ["kernel", "image", "n", "ganntk: peak memory", "one step", "neural-tangents needs"]
    print(harness.table(head, lines))
    if given.json:
        Path(given.json).write_text(json.dumps(results), encoding="utf-8")


def _cells(found: dict | str) -> tuple[str, str]:
    if isinstance(found, str):
        return found, "—"
    return harness.gigabytes(found["peak"]), harness.duration(found["seconds"])


def _peer_cell(found: float | str) -> str:
    return found if isinstance(found, str) else f"{math.ceil(found / 1e9)} GB"


if __name__ == "__main__":
    main()
