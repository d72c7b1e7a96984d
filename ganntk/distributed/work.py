"""What a step costs, counted from shapes: pairs of rows, and bytes between processes. Layer 6."""

import math
from typing import NamedTuple

import jax

from ganntk.config import RunConfig
from ganntk.coupling import Batchwise, Exact, Exchange, Generator, sets_of
from ganntk.generators import network

# Products of K with two vectors that a solution takes; `products` of a run says how many it took.
_PRODUCTS = 15


class Work(NamedTuple):
    """Of one step.

    Attributes:
        pairs: of rows whose kernel is evaluated: generated ones once, and the cross.
        moved_bytes: between processes.
    """

    pairs: float
    moved_bytes: float


def work_of(
    config: RunConfig, real: int, row_shape: tuple[int, ...], exchange: Exchange | None = None
) -> Work:
    """Count a step.

    Args:
        config: the run.
        real: real rows.
        row_shape: of one row.
        exchange: what travels in the exact coupling, where that was chosen.
    """
    points = config.points.count or real
    levels = max(1, len(config.levels))
    return Work(
        levels * _pairs(config, real, points), _moved(config, real, points, row_shape, exchange)
    )


def _pairs(config: RunConfig, real: int, points: int) -> float:
    coupling = config.coupling
    if isinstance(coupling, Batchwise | Generator):
        half = coupling.batch // 2
        of_batch = half * (half + 1) / 2 + half * half
        if isinstance(coupling, Generator):
            return coupling.batches * of_batch
        return sets_of(coupling) * math.ceil(points / half) * of_batch
    return sets_of(coupling) * (points * (points + 1) / 2 + points * real)


def _moved(
    config: RunConfig, n: int, m: int, row_shape: tuple[int, ...], exchange: Exchange | None
) -> float:
    workers = config.cluster.workers
    if workers == 1:
        return 0.0
    if isinstance(config.coupling, Generator):
        return 2 * workers * _weights_bytes(config.coupling, row_shape)
    if not isinstance(config.coupling, Exact):
        return 0.0
    item = 8 if config.precision == "float64" else 4
    gathered = (workers - 1) * m * math.prod(row_shape) * item
    if exchange == "vectors":
        product = workers * (n + m) * 2 * 8 + (workers * n + m) * 2 * 8
        factors = workers * (2 * m + n) * 2 * _PRODUCTS * item
        return gathered + _PRODUCTS * product + factors
    # Rows of K to one worker, and as many numbers of G back.
    return gathered + 2 * (1 - 1 / workers) * m * (m + n) * item


def _weights_bytes(coupling: Generator, row_shape: tuple[int, ...]) -> float:
    weights = jax.eval_shape(lambda: network.start(coupling.network, row_shape, jax.random.key(0)))
    return float(sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(weights)))
