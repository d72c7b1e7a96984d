"""One exact step: seconds, parts, images per second and peak memory, at growing sizes.

n real images and as many generated ones, from random starts, Adam, `squared_error`, lam at the
authors' rate 2; float32 kernels, float64 for the matrix function. Parts are jitted by themselves:
the block K(Z, [Z; X]), the solution with its cotangent, and the pull-back. Sizes of one kernel
share a process and ascend, so that the peak after each is its own.
"""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import harness, peers

OPERATIONS = {"cnn-mnist": 50e3, "cnn-cifar10": 80e3, "cnn-celeba": 330e3}
"""Of a pair of rows that goes forward twice and backward once, counted in the compiled code."""


def pairs(n: int) -> float:
    """Pairs of rows that a step evaluates: each pair of generated ones once, and the cross."""
    return n * (n + 1) / 2 + n * n


def sweep(device: str, name: str, sizes: list[int], repeats: int) -> list[dict[str, Any]]:
    """Every size of one kernel in this process, ascending; it ends where memory does."""
    harness.choose_device(device)
    found = []
    for n in sorted(sizes):
        try:
            found.append({"kernel": name, "n": n, **case(name, n, repeats)})
        except Exception as error:  # noqa: BLE001 - whatever ends a size is its result
            found.append({"kernel": name, "n": n, "ended": str(error)[:160]})
            break
    return found


def case(name: str, n: int, repeats: int) -> dict[str, Any]:
    """Seconds of a step and of its parts, and the peak memory so far."""
    import jax
    import numpy as np

    from ganntk import synthesis
    from ganntk.generators import Points
    from ganntk.kernels import gram_of_moving, named
    from ganntk.lam import Fixed, reference_rate
    from ganntk.objectives import SquaredError
    from ganntk.optimizers import Optimizer
    from ganntk.synthesis import Problem

    rows = np.random.default_rng(0).uniform(size=(n, *peers.SHAPES[name])).astype(np.float32)
    lam = Fixed(reference_rate(2, n, n))
    problem = Problem(named(name), SquaredError(), Optimizer().build(), Points(), lam=lam)
    with synthesis.numerics():
        real = synthesis.prepare(problem, rows)
        state = synthesis.init(problem, real, seed=0)
        solve = jax.jit(lambda real, z, lam: synthesis.evaluate(problem, real, z, lam))
        cotangent = solve(real, state.points, state.lam).cotangent
        block = jax.jit(lambda z, x: gram_of_moving(problem.kernel, z, x))
        pull = jax.jit(lambda real, z, G: synthesis.gradient(problem, real, z, G))
        timings = {
            "step": harness.timed(
                lambda: synthesis._advance(problem, real, state, 1, 1)[0].points,
                repeats,
            ),
            "block": harness.timed(lambda: block(state.points, real.rows), repeats),
            "block and solution": harness.timed(
                lambda: solve(real, state.points, state.lam), repeats
            ),
            "pull-back": harness.timed(lambda: pull(real, state.points, cotangent), repeats),
        }
    return {part: dataclasses.asdict(timing) for part, timing in timings.items()} | {
        "peak": timings["step"].peak_bytes
    }


def main() -> None:
    """Print the table."""
    parser = harness.arguments(__doc__, [256, 1024])
    parser.add_argument("--kernels", nargs="+", default=list(peers.SHAPES))
    given = parser.parse_args()
    print(harness.machine(given.device), flush=True)
    results: list[dict[str, Any]] = []
    lines: list[list[str]] = []
    for name in given.kernels:
        found = harness.alone(sweep, given.device, name, given.sizes, given.repeats)
        for each in found if isinstance(found, list) else [{"kernel": name, "ended": found}]:
            results.append(each)
            lines.append(list(_cells(each)))
            print(*lines[-1], sep="  ", flush=True)
    print(harness.table(_HEAD, lines))
    if given.json:
        Path(given.json).write_text(json.dumps(results), encoding="utf-8")


_HEAD = [
    "kernel", "n", "step", "block", "solution", "pull-back", "images/s", "TFLOP/s", "peak memory",
]  # fmt: skip


def _cells(found: dict[str, Any]) -> Iterator[str]:
    yield found["kernel"]
    yield str(found.get("n", "—"))
    if "ended" in found:
        yield found["ended"]
        return
    median = {
        part: harness.Timing(found[part]["seconds"], 0).median
        for part in ("step", "block", "block and solution", "pull-back")
    }
    yield str(harness.Timing(found["step"]["seconds"], 0))
    yield harness.duration(median["block"])
    yield harness.duration(max(0.0, median["block and solution"] - median["block"]))
    yield harness.duration(median["pull-back"])
    yield f"{found['n'] / median['step']:.3g}"
    of_kernel = median["block"] + median["pull-back"]
    yield f"{OPERATIONS[found['kernel']] * pairs(found['n']) / of_kernel / 1e12:.2g}"
    yield harness.gigabytes(found["peak"])


if __name__ == "__main__":
    main()
