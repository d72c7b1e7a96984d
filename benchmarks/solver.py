r"""Time and error of the discriminator's solvers, against the route of the authors' code.

    python benchmarks/solver.py --sizes 512 1024 2048 --device cpu

One table for each number of rows N, half of them real: the named peer is reverse mode through
`jnp.linalg.eigh`, which is how the authors differentiate; then `eigh` with divided differences, and
Lanczos with K in float64 and in float32. Every method gives the loss, D and dL/dK, or its factors,
and is measured in the same run on the same K: `cnn-mnist` on the digits of scikit-learn. lam is the
authors' rate 2 for so many rows, and ten and a hundred times that. On a machine that others use,
LAPACK is fastest with OPENBLAS_NUM_THREADS=1: give the peer its better half.
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from ganntk import discriminator
from ganntk.kernels import gram, named
from ganntk.lam import reference_rate
from ganntk.objectives import Objective
from ganntk.typing import LowRank

RATE = 2.0


class Method(NamedTuple):
    """A way to the loss, D and dL/dK, with so many threads for LAPACK; None for all."""

    name: str
    run: Callable[[jax.Array, jax.Array, float], Any]
    K: jax.Array
    threads: int | None = None


class Timing(NamedTuple):
    """Seconds of some runs."""

    median: float
    spread: float


def main() -> None:
    """Measure and print."""
    arguments = parse()
    device = jax.devices(arguments.device)[0]
    print(f"{device.platform}: {device.device_kind}; jax {jax.__version__}; ", end="")
    print(f"{arguments.objective}, median of {arguments.repeats}, half of the full range behind it")
    with jax.enable_x64(True), jax.default_device(device):
        for rows in arguments.sizes:
            compare(rows, arguments)


def parse() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024, 2048], metavar="N")
    parser.add_argument("--multiples", type=int, nargs="+", default=[1, 10, 100], help="of lam")
    parser.add_argument("--objective", default="squared_error")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each, at least 5")
    return parser.parse_args()


def compare(rows: int, arguments: argparse.Namespace) -> None:
    """Print the table of one N."""
    K = some_gram(rows)
    y = discriminator.labels(rows // 2, rows - rows // 2, K.dtype)
    rule = Objective.find(arguments.objective)()
    reference = reference_rate(RATE, rows // 2, rows - rows // 2)
    print(f"\nN = {rows}, lam = {reference:.4g} at rate {RATE:g}")
    print(
        f"{'method':28} {'lam':>5} {'ms':>9} {'+-':>7} {'ratio':>7} {'products':>9}"
        f" {'residual':>9} {'error of D':>11} {'error of G':>11}"
    )
    for multiple in arguments.multiples:
        lam = multiple * reference
        exact = closed_form(rule, "eigh")(K, y, lam)
        peer = None
        for method in methods(rule, K):
            timing = measure(method, y, lam, arguments.repeats)
            peer = peer or timing
            line = facts(method.run(method.K, y, lam), exact)
            print(
                f"{method.name:28} {f'x{multiple}':>5} {1e3 * timing.median:9.2f}"
                f" {1e3 * timing.spread:7.2f} {peer.median / timing.median:7.1f} {line}",
                flush=True,
            )


def methods(rule: Objective, K: jax.Array) -> list[Method]:
    """What is compared, the named peer first.

    Lanczos has small eigenproblems only, and one thread for them, as `synthesis.numerics` gives it.
    """
    single = K.astype(jnp.float32)
    return [
        Method("eigh, reverse mode", reverse_mode(rule), K),
        Method("eigh, divided differences", closed_form(rule, "eigh"), K),
        Method("lanczos, K float64", closed_form(rule, "lanczos"), K, threads=1),
        Method("lanczos, K float32", closed_form(rule, "lanczos"), single, threads=1),
    ]


@functools.cache
def closed_form(rule: Objective, solver: discriminator.Solver) -> Callable[..., Any]:
    """The discriminator of ganntk, jitted."""
    solve = discriminator.loss_and_cotangent
    return jax.jit(functools.partial(solve, objective=rule, solver=solver))


@functools.cache
def reverse_mode(rule: Objective) -> Callable[..., Any]:
    """The peer, jitted: dL/dK by differentiating an eigendecomposition."""

    def loss(K: jax.Array, y: jax.Array, lam: float) -> tuple[jax.Array, jax.Array]:
        kappa, U = jnp.linalg.eigh(K)
        learnt = -jnp.expm1(-lam * kappa)[:, None]
        F, D = (U @ (learnt * (U.T @ columns)) for columns in (rule.targets(y), y[:, None]))
        return rule.loss_and_slope(F).loss, D[:, 0]

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def measure(method: Method, y: jax.Array, lam: float, repeats: int) -> Timing:
    """Time a method, without its compilation."""
    seconds = []
    with threadpool_limits(method.threads, user_api="blas"):
        jax.block_until_ready(method.run(method.K, y, lam))
        for _ in range(max(5, repeats)):
            began = time.perf_counter()
            jax.block_until_ready(method.run(method.K, y, lam))
            seconds.append(time.perf_counter() - began)
    return Timing(statistics.median(seconds), (max(seconds) - min(seconds)) / 2)


def facts(found: Any, exact: discriminator.LossAndCotangent) -> str:
    """Products, residual, largest error of D, and relative error of G in the Frobenius norm."""
    if isinstance(found, discriminator.LossAndCotangent):
        D, G = found.predictions, found.cotangent
        counts = f"{int(found.products):9} {float(found.residual):9.1e}"
    else:
        (_, D), G = found
        G = (G + G.T) / 2
        counts = f"{'':9} {'':9}"
    if isinstance(G, LowRank):
        G = G.left @ G.right.T
    error_of_D = float(jnp.max(jnp.abs(D - exact.predictions)))
    difference = jnp.linalg.norm(G - exact.cotangent)
    error_of_G = float(difference / jnp.linalg.norm(exact.cotangent))
    return f"{counts} {error_of_D:11.1e} {error_of_G:11.1e}"


def some_gram(rows: int) -> jax.Array:
    """Real digits and points on their way to them: other digits under noise."""
    rng = np.random.default_rng(0)
    digits = load_digits().images[..., None] / 16
    # More rows than there are digits: means of two, which are as smooth.
    first, second = rng.integers(len(digits), size=(2, rows))
    x = np.where(np.arange(rows)[:, None, None, None] < len(digits) // 2, 1, 0.5) * digits[first]
    x += np.where(np.arange(rows)[:, None, None, None] < len(digits) // 2, 0, 0.5) * digits[second]
    x[rows // 2 :] = np.clip(
        x[rows // 2 :] + rng.normal(scale=0.1, size=x[rows // 2 :].shape), 0, 1
    )
    return jax.jit(functools.partial(gram, named("cnn-mnist")))(jnp.asarray(x))


if __name__ == "__main__":
    main()
