r"""Gram matrices and pull-backs by tiles, under a memory budget. Layer 2.

A pull-back recomputes each tile and applies its block of the cotangent, so that peak memory is one
tile, not $n^2$ feature maps. Symmetric work is done on the upper triangle of tiles. Tiles of one
call share one shape (rows are padded by repetition, with cotangent zero), so nothing recompiles at
an edge, and one program serves all of them: compiling it takes longer than running it.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganntk.kernels.base import Kernel
from ganntk.typing import Block, Cotangent, LowRank, Rows

CACHE_BYTES = 16 * 2**20
"""Feature maps of one tile on a CPU: large enough to hide a call's overhead, and near the cache."""

_DEVICE_SHARE = 8  # of the free memory of an accelerator, one in so many


def default_memory_bytes() -> int:
    """Budget of one tile: what suits the caches of a CPU, a share of what an accelerator has free.

    A power of two, so that calls with nearly the same memory free share their tiles' shape.
    """
    free = jax.devices()[0].memory_stats()
    if jax.default_backend() == "cpu" or not free or "bytes_limit" not in free:
        return CACHE_BYTES
    share = (free["bytes_limit"] - free.get("bytes_in_use", 0)) // _DEVICE_SHARE
    return 2 ** max(share, CACHE_BYTES).bit_length() // 2


@functools.partial(jax.jit, static_argnums=0, static_argnames="memory_bytes")
def gram(k: Kernel, x1: Rows, x2: Rows, *, memory_bytes: int | None = None) -> Block:
    """`ganntk.kernels.gram` of two sets, by tiles."""
    tiling = _Tiling.of(k, x1, x2, memory_bytes)
    first, second = np.indices((tiling.tiles1, tiling.tiles2)).reshape(2, -1)
    return _fill(k, tiling, tiling.stack(x1, x2), first, second + tiling.tiles1)[:, len(x1) :]


@functools.partial(jax.jit, static_argnums=0, static_argnames="memory_bytes")
def gram_of_moving(k: Kernel, z: Rows, x: Rows, *, memory_bytes: int | None = None) -> Block:
    """`ganntk.kernels.gram_of_moving` by tiles, right above the diagonal of its first m columns."""
    tiling = _Tiling.of(k, z, x, memory_bytes)
    return _fill(k, tiling, tiling.stack(z, x), *tiling.moving_pairs())


@functools.partial(jax.jit, static_argnums=0, static_argnames="memory_bytes")
def pullback(
    k: Kernel, x1: Rows, x2: Rows, cotangent: Cotangent, *, memory_bytes: int | None = None
) -> Rows:
    """`ganntk.kernels.pullback` of two sets, by tiles."""
    tiling = _Tiling.of(k, x1, x2, memory_bytes)
    rows, blocks = tiling.stack(x1, x2), _Blocks.of(cotangent, tiling, second_only=True)
    others = jnp.arange(tiling.tiles1, tiling.tiles1 + tiling.tiles2)

    def of_tile(i: jax.Array) -> Rows:
        def add(total: Rows, j: jax.Array) -> tuple[Rows, None]:
            _, pull = jax.vjp(lambda a: k(a, rows[j]), rows[i])
            return total + pull(blocks.at(i, j))[0], None

        return jax.lax.scan(add, jnp.zeros_like(rows[0]), others)[0]

    pulled = jax.lax.map(of_tile, jnp.arange(tiling.tiles1))
    return pulled.reshape(-1, *x1.shape[1:])[: len(x1)]


@functools.partial(jax.jit, static_argnums=0, static_argnames="memory_bytes")
def pullback_of_moving(
    k: Kernel, z: Rows, x: Rows, cotangent: Cotangent, *, memory_bytes: int | None = None
) -> Rows:
    """`ganntk.kernels.pullback_of_moving` by tiles."""
    tiling = _Tiling.of(k, z, x, memory_bytes)
    rows, blocks = tiling.stack(z, x), _Blocks.of(cotangent, tiling, second_only=False)
    first, second = tiling.moving_pairs()
    # A tile above the diagonal stands for its mirror image as well.
    weight = np.where((first < second) & (second < tiling.tiles1), 2, 1).astype(z.dtype)

    def add(total: jax.Array, tile: tuple[jax.Array, ...]) -> tuple[jax.Array, None]:
        i, j, times = tile
        _, pull = jax.vjp(k, rows[i], rows[j])
        da, db = pull(times * blocks.at(i, j))
        return total.at[i].add(da).at[j].add(db), None

    tiles = (jnp.asarray(first), jnp.asarray(second), jnp.asarray(weight))
    total, _ = jax.lax.scan(add, jnp.zeros_like(rows), tiles)
    return total[: tiling.tiles1].reshape(-1, *z.shape[1:])[: len(z)]


class _Tiling(NamedTuple):
    """Two sets of rows in tiles of one shape, the last tile of each padded."""

    rows1: int
    rows2: int
    side: int

    @classmethod
    def of(cls, k: Kernel, x1: Rows, x2: Rows, memory_bytes: int | None) -> "_Tiling":
        budget = memory_bytes or default_memory_bytes()
        pair = k.bytes_per_pair(x1.shape[1:], x1.dtype.itemsize)
        most = max(1, math.isqrt(budget // pair))
        # The smallest side that needs no more tiles: little padding when sizes do not divide.
        sides = [-(-len(x) // -(-len(x) // most)) for x in (x1, x2) if len(x)]
        return cls(len(x1), len(x2), max(sides))

    @property
    def tiles1(self) -> int:
        return -(-self.rows1 // self.side)

    @property
    def tiles2(self) -> int:
        return -(-self.rows2 // self.side)

    def moving_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Tiles (i, j) with i of the first set, and j of the first from i on, or of the second."""
        first, second = np.triu_indices(self.tiles1, m=self.tiles1 + self.tiles2)
        return first, second

    def stack(self, x1: jax.Array, x2: jax.Array) -> jax.Array:
        """The tiles of both sets, (tiles1 + tiles2, side, ...); padding repeats the last row."""
        return jnp.concatenate([_split(x, self.side, "edge") for x in (x1, x2) if len(x)])


def _split(x: jax.Array, side: int, mode: str) -> jax.Array:
    """(rows, ...) -> (tiles, side, ...)."""
    tiles = -(-len(x) // side)
    padding = [(0, tiles * side - len(x))] + [(0, 0)] * (x.ndim - 1)
    return jnp.pad(x, padding, mode=mode).reshape(tiles, side, *x.shape[1:])


class _Blocks(NamedTuple):
    """A cotangent cut along a tiling; a low-rank one is multiplied out tile by tile."""

    left: jax.Array
    right: jax.Array | None

    @classmethod
    def of(cls, cotangent: Cotangent, tiling: _Tiling, *, second_only: bool) -> "_Blocks":
        """Cut C, whose columns are those of the second set only, or of both sets."""

        def columns(c: jax.Array) -> jax.Array:
            """(columns, ...) -> (tiles1 + tiles2, side, ...)."""
            split = 0 if second_only else tiling.rows1
            tiles = [
                _split(part, tiling.side, "constant")
                for part in (c[:split], c[split:])
                if len(part)
            ]
            if second_only:
                tiles.insert(0, jnp.zeros((tiling.tiles1, *tiles[0].shape[1:]), c.dtype))
            return jnp.concatenate(tiles)

        if isinstance(cotangent, LowRank):
            left = _split(cotangent.left, tiling.side, "constant")
            return cls(left, columns(cotangent.right))
        by_row = _split(cotangent, tiling.side, "constant")
        # (tiles1, side, columns) -> (tiles1, tiles1 + tiles2, side, side)
        return cls(columns(jnp.moveaxis(by_row, 2, 0)).transpose(2, 0, 3, 1), None)

    def at(self, i: jax.Array, j: jax.Array) -> Block:
        if self.right is None:
            return self.left[i, j]
        return jnp.matmul(self.left[i], self.right[j].T, precision="highest")


def _fill(
    k: Kernel, tiling: _Tiling, rows: jax.Array, first: np.ndarray, second: np.ndarray
) -> Block:
    """The block of the first set against both sets, from the given tiles; zero elsewhere."""
    i, j = jnp.asarray(first), jnp.asarray(second)
    values = jax.lax.map(lambda tile: k(rows[tile[0]], rows[tile[1]]), (i, j))
    tiles1, tiles, side = tiling.tiles1, tiling.tiles1 + tiling.tiles2, tiling.side
    full = jnp.zeros((tiles1, tiles, side, side), values.dtype).at[i, j].set(values)
    block = full.transpose(0, 2, 1, 3).reshape(tiles1 * side, tiles * side)[: tiling.rows1]
    start2 = tiles1 * side
    return jnp.concatenate(
        [block[:, : tiling.rows1], block[:, start2 : start2 + tiling.rows2]], axis=1
    )
