r"""Gram matrices and pull-backs by tiles, under a memory budget. Layer 2.

A pull-back recomputes each tile and applies its block of the cotangent, so that peak memory is one
tile, not $n^2$ feature maps. Symmetric work is done on the upper triangle of tiles. Tiles of one
call share one shape (rows are padded by repetition, with cotangent zero), so nothing recompiles at
an edge.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganntk.kernels.base import Kernel
from ganntk.typing import Block, Cotangent, LowRank, Rows

DEFAULT_MEMORY_BYTES = 64 * 2**20
"""Feature maps of one tile: large enough to hide a call's overhead, small enough for caches."""


def gram(k: Kernel, x1: Rows, x2: Rows | None = None, *, memory_bytes: int | None = None) -> Block:
    """Evaluate a kernel between all pairs of rows, by tiles.

    Args:
        k: the kernel.
        x1: first rows, shape (n1, ...).
        x2: second rows, shape (n2, ...); None means `x1` again, each pair once.
        memory_bytes: budget for the feature maps of one tile, in bytes.

    Returns:
        Shape (n1, n2). Without `x2` exactly symmetric, with the analytic diagonal.
    """
    if x2 is None:
        return _symmetric_gram(k, x1, memory_bytes)
    tiling1, tiling2 = _two_tilings(k, x1, x2, memory_bytes)
    rows1, rows2 = tiling1.split(x1), tiling2.split(x2)
    block = jax.lax.map(lambda a: jax.lax.map(lambda b: k(a, b), rows2), rows1)
    return _assemble(block)[: len(x1), : len(x2)]


def pullback(
    k: Kernel,
    x1: Rows,
    x2: Rows | None,
    cotangent: Cotangent,
    *,
    memory_bytes: int | None = None,
) -> Rows:
    r"""Pull a cotangent of a Gram matrix back to the rows, by tiles.

    $\partial/\partial x_1 \sum_{ij} C_{ij}\, k(x_{1i}, x_{2j})$, or, when `x2` is None, the total
    derivative of $\sum_{ij} C_{ij}\, k(x_{1i}, x_{1j})$ for a symmetric $C$.

    Args:
        k: the kernel.
        x1: rows to differentiate with respect to, shape (n1, ...).
        x2: the other rows, held constant; None means `x1` again.
        cotangent: C, shape (n1, n2), or its two factors.
        memory_bytes: budget for the feature maps of one tile, in bytes.

    Returns:
        The gradient, shaped as `x1`.
    """
    if x2 is None:
        return _symmetric_pullback(k, x1, cotangent, memory_bytes)
    tiling1, tiling2 = _two_tilings(k, x1, x2, memory_bytes)
    blocks = _Blocks.of(cotangent, tiling1, tiling2)
    rows2 = tiling2.split(x2)

    def of_rows(item: tuple[jax.Array, Rows]) -> Rows:
        i, a = item

        def add(total: Rows, other: tuple[jax.Array, Rows]) -> tuple[Rows, None]:
            j, b = other
            _, pull = jax.vjp(lambda a: k(a, b), a)
            return total + pull(blocks.at(i, j))[0], None

        return jax.lax.scan(add, jnp.zeros_like(a), (jnp.arange(tiling2.tiles), rows2))[0]

    return tiling1.join(jax.lax.map(of_rows, (jnp.arange(tiling1.tiles), tiling1.split(x1))))


class _Tiling(NamedTuple):
    """`rows` rows in `tiles` tiles of `side` rows, the last one padded."""

    rows: int
    side: int
    tiles: int

    @classmethod
    def of(cls, rows: int, side: int) -> "_Tiling":
        tiles = -(-rows // side)
        return cls(rows, -(-rows // tiles), tiles)

    def split(self, x: jax.Array) -> jax.Array:
        """(rows, ...) -> (tiles, side, ...); padding repeats the last row."""
        padding = [(0, self.tiles * self.side - self.rows)] + [(0, 0)] * (x.ndim - 1)
        return jnp.pad(x, padding, mode="edge").reshape(self.tiles, self.side, *x.shape[1:])

    def split_zero(self, x: jax.Array) -> jax.Array:
        """The same, padded with zeros."""
        padding = [(0, self.tiles * self.side - self.rows)] + [(0, 0)] * (x.ndim - 1)
        return jnp.pad(x, padding).reshape(self.tiles, self.side, *x.shape[1:])

    def join(self, tiles: jax.Array) -> jax.Array:
        """(tiles, side, ...) -> (rows, ...)."""
        return tiles.reshape(self.tiles * self.side, *tiles.shape[2:])[: self.rows]


class _Blocks(NamedTuple):
    """A cotangent cut along two tilings; a low-rank one is multiplied out tile by tile."""

    left: jax.Array
    right: jax.Array | None

    @classmethod
    def of(cls, cotangent: Cotangent, tiling1: _Tiling, tiling2: _Tiling) -> "_Blocks":
        if isinstance(cotangent, LowRank):
            return cls(tiling1.split_zero(cotangent.left), tiling2.split_zero(cotangent.right))
        columns = tiling2.split_zero(jnp.moveaxis(tiling1.split_zero(cotangent), 2, 0))
        # (tiles2, side2, tiles1, side1) -> (tiles1, tiles2, side1, side2)
        return cls(columns.transpose(2, 0, 3, 1), None)

    def at(self, i: jax.Array, j: jax.Array) -> Block:
        if self.right is None:
            return self.left[i, j]
        return jnp.matmul(self.left[i], self.right[j].T, precision="highest")


def _side(k: Kernel, x: Rows, memory_bytes: int | None) -> int:
    budget = memory_bytes or DEFAULT_MEMORY_BYTES
    return max(1, math.isqrt(budget // k.bytes_per_pair(x.shape[1:], x.dtype.itemsize)))


def _two_tilings(
    k: Kernel, x1: Rows, x2: Rows, memory_bytes: int | None
) -> tuple[_Tiling, _Tiling]:
    side = _side(k, x1, memory_bytes)
    return _Tiling.of(len(x1), side), _Tiling.of(len(x2), side)


def _assemble(tiles: jax.Array) -> Block:
    """(count1, count2, side1, side2) -> (count1 side1, count2 side2)."""
    count1, count2, side1, side2 = tiles.shape
    return tiles.transpose(0, 2, 1, 3).reshape(count1 * side1, count2 * side2)


def _symmetric_gram(k: Kernel, x: Rows, memory_bytes: int | None) -> Block:
    tiling = _Tiling.of(len(x), _side(k, x, memory_bytes))
    rows, (first, second) = tiling.split(x), map(jnp.asarray, np.triu_indices(tiling.tiles))
    upper = jax.lax.map(lambda pair: k(rows[pair[0]], rows[pair[1]]), (first, second))
    shape = (tiling.tiles, tiling.tiles, tiling.side, tiling.side)
    full = jnp.zeros(shape, upper.dtype).at[first, second].set(upper)
    full = full.at[second, first].set(upper.swapaxes(1, 2))
    block = _assemble(full)[: len(x), : len(x)]
    # A tile on the diagonal is computed whole: its lower half takes the upper half's rounding.
    upper_half = jnp.triu(block, 1)
    return upper_half + upper_half.T + jnp.diag(k.diagonal(x))


def _symmetric_pullback(k: Kernel, x: Rows, cotangent: Cotangent, memory_bytes: int | None) -> Rows:
    tiling = _Tiling.of(len(x), _side(k, x, memory_bytes))
    blocks, rows = _Blocks.of(cotangent, tiling, tiling), tiling.split(x)
    first, second = map(jnp.asarray, np.triu_indices(tiling.tiles))

    def add(total: jax.Array, pair: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        i, j = pair
        _, pull = jax.vjp(k, rows[i], rows[j])
        # Off the diagonal a tile stands for its mirror image as well.
        weight = jnp.where(i == j, 1, 2).astype(x.dtype)
        da, db = pull(weight * blocks.at(i, j))
        return total.at[i].add(da).at[j].add(db), None

    return tiling.join(jax.lax.scan(add, jnp.zeros_like(rows), (first, second))[0])
