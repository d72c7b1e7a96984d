"""Rounding of float32 pull-backs on real images, against neural-tangents.

For n real images X and Z = X + noise, the derivative of sum(C * k(Z, X)) by Z in float32 beside the
same in float64: |difference| / |gradient| in the Euclidean norm. At noise 0 the rows coincide: the
derivative is the analytic half of that of k(z, z), which neural-tangents in float64 misses by 1e-8,
so both are held against ganntk's float64. Images come from GANNTK_DATA: MNIST (IDX) and CelebA
(aligned faces, centre 178 x 178 resized to 64 x 64).
"""

import gzip
import json
import os
from pathlib import Path

import numpy as np

from benchmarks import harness, peers

NOISE = (1e-1, 1e-2, 1e-3, 1e-4, 0.0)
ENGINES = ("neural-tangents", "ganntk", "ganntk, tiles of XLA operations")


def images(name: str, n: int) -> np.ndarray:
    """The first n real images for a kernel, float64 in [0, 1]."""
    folder = Path(os.environ["GANNTK_DATA"])
    if name == "cnn-celeba":
        return _faces(folder / "celeba" / "img_align_celeba", n)
    with gzip.open(folder / "mnist" / "train-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read(16 + n * 784)[16:], np.uint8).reshape(n, 28, 28, 1) / 255


def _faces(folder: Path, n: int) -> np.ndarray:
    from PIL import Image

    def face(path: Path) -> np.ndarray:
        square = Image.open(path).convert("RGB").crop((0, 20, 178, 198))
        return np.asarray(square.resize((64, 64), Image.Resampling.LANCZOS)) / 255

    return np.stack([face(path) for path in sorted(folder.glob("*.jpg"))[:n]])


def case(device: str, name: str, n: int, noise: float) -> dict[str, float]:
    """Relative errors of each engine's float32 at one size of noise."""
    harness.choose_device(device)
    import jax
    import jax.numpy as jnp

    from ganntk.kernels import named, pullback, tiled

    kernel, x = named(name), images(name, n)
    random = np.random.default_rng(0)
    z, C = x + noise * random.normal(size=x.shape), random.normal(size=(n, n))
    stax = peers.stax_kernel(kernel)
    pulls = {
        "neural-tangents": jax.grad(lambda z, x, C: jnp.sum(C * stax(z, x, "ntk"))),
        "ganntk": lambda z, x, C: pullback(kernel, z, x, C),
        "ganntk, tiles of XLA operations": lambda z, x, C: tiled.pullback(kernel, z, x, C),
    }
    # 64-bit types off: neural-tangents computes in float64 inside wherever they are allowed.
    found = {
        engine: np.asarray(jax.jit(pull)(*(jnp.asarray(a, jnp.float32) for a in (z, x, C))))
        for engine, pull in pulls.items()
    }
    with jax.enable_x64(True):
        # The rows as float32 holds them: else their rounding would be counted as the kernel's.
        z, x = (np.asarray(np.float32(rows), np.float64) for rows in (z, x))
        wanted = np.asarray(pullback(kernel, jnp.asarray(z), jnp.asarray(x), jnp.asarray(C)))
    norm = np.linalg.norm(wanted)
    return {engine: float(np.linalg.norm(f - wanted) / norm) for engine, f in found.items()}


def main() -> None:
    """Print the table."""
    parser = harness.arguments(__doc__, [16])
    given = parser.parse_args()
    if "GANNTK_DATA" not in os.environ:
        parser.error("GANNTK_DATA is not set: name the folder with mnist/ and celeba/ in it")
    print(harness.machine(given.device), flush=True)
    lines, results = [], []
    for name in ("cnn-mnist", "cnn-celeba"):
        for noise in NOISE:
            found = harness.alone(case, given.device, name, given.sizes[0], noise)
            results.append({"kernel": name, "noise": noise, "errors": found})
            cells = (
                [f"{found[engine]:.1e}" for engine in ENGINES]
                if isinstance(found, dict)
                else [found]
            )
            lines.append([name, f"{noise:g}", *cells])
            print(*lines[-1], sep="  ", flush=True)
    print(harness.table(["kernel", "noise", *ENGINES], lines))
    if given.json:
        Path(given.json).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
