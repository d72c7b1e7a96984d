"""Kernel and gradient of one step, against neural-tangents in the same precision.

The peer computes value and gradient of the 2n x 2n kernel of real and generated rows in one jitted
graph, as the authors' code does. ganntk fills K(Z, Z) and K(Z, X), the blocks that change, and
pulls the same cotangent back; K(X, X) is computed once in a run, outside both.
"""

import json
from pathlib import Path

from benchmarks import harness, peers


def case(device: str, method: str, name: str, n: int, repeats: int) -> dict:
    """Time one method at one size; only what it needs where that is more memory than there is."""
    harness.choose_device(device)
    given = peers.rows(name, n)
    step = peers.STEPS[method](name)
    needed = step.lower(given).compile().memory_analysis().temp_size_in_bytes
    if needed > 0.9 * harness.free_bytes():
        return {"needed": needed}
    found = harness.timed(lambda: step(given), repeats)
    return {"seconds": found.seconds, "peak": found.peak_bytes, "first": found.first_seconds}


def main() -> None:
    """Print the table; with --plot draw cost against n."""
    parser = harness.arguments(__doc__, [64, 128, 256, 512])
    parser.add_argument("--kernels", nargs="+", default=list(peers.SHAPES))
    parser.add_argument("--plot", help="write a picture of seconds against n to this file")
    given = parser.parse_args()
    print(harness.machine(given.device), flush=True)
    results, lines = [], []
    for name in given.kernels:
        for n in given.sizes:
            pair = {
                method: harness.alone(case, given.device, method, name, n, given.repeats)
                for method in peers.STEPS
            }
            results.append({"kernel": name, "n": n, **pair})
            lines.append(_line(name, n, pair))
            print(*lines[-1], sep="  ", flush=True)
    print(harness.table(_HEAD, lines))
    if given.json:
        Path(given.json).write_text(json.dumps(results), encoding="utf-8")
    if given.plot:
        _plot(results, given.plot)


_HEAD = [
    "kernel", "n", "neural-tangents", "its peak memory", "ganntk", "peak memory", "times faster",
    "first call, both",
]  # fmt: skip


def _line(name: str, n: int, pair: dict) -> list[str]:
    peer, ours = (pair[method] for method in peers.STEPS)
    ratio = "—"
    if all(isinstance(each, dict) and "seconds" in each for each in (peer, ours)):
        medians = [harness.Timing(each["seconds"], 0).median for each in (peer, ours)]
        ratio = f"**{medians[0] / medians[1]:.1f}**"
    return [name, str(n), *_cells(peer), *_cells(ours), ratio, f"{_first(peer)}, {_first(ours)}"]


def _cells(found: dict | str) -> tuple[str, str]:
    if isinstance(found, str):
        return found, "—"
    if "needed" in found:
        return "does not fit", harness.gigabytes(found["needed"])
    return str(harness.Timing(found["seconds"], 0)), harness.gigabytes(found["peak"])


def _first(found: dict | str) -> str:
    return harness.duration(found["first"]) if isinstance(found, dict) and "first" in found else "—"


def _plot(results: list[dict], path: str) -> None:
    """Seconds against n, logarithmic, one panel for each kernel."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    kernels = list(dict.fromkeys(each["kernel"] for each in results))
    figure, panels = plt.subplots(1, len(kernels), figsize=(3.4 * len(kernels), 3.2), sharey=True)
    for panel, kernel in zip(panels if len(kernels) > 1 else [panels], kernels, strict=True):
        for method, mark in zip(peers.STEPS, "so", strict=True):
            drawn = [
                (each["n"], harness.Timing(each[method]["seconds"], 0).median)
                for each in results
                if each["kernel"] == kernel and "seconds" in each[method]
            ]
            panel.loglog(*zip(*drawn, strict=True), f"{mark}-", label=method)
        panel.set(title=kernel, xlabel="real rows n (as many generated)")
        sizes = sorted({each["n"] for each in results})
        panel.set_xticks(sizes, [str(n) for n in sizes])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    figure.axes[0].set_ylabel("seconds, kernel and gradient")
    figure.axes[0].legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
