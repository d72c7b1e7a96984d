r"""Gram matrices and pull-backs by tiles, under a memory budget. Layer 2.

A pull-back recomputes each tile and applies its block of the cotangent, so that peak memory is one
tile, not $n^2$ feature maps. Symmetric work is done on the upper triangle of tiles. Tiles of one
call share one shape (rows are padded by repetition, with cotangent zero), so nothing recompiles at
an edge, and one program serves all of them: compiling it takes longer than running it.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganntk.errors import InputError
from ganntk.kernels.base import Kernel
from ganntk.typing import Block, Cotangent, LowRank, Rows

DEFAULT_MEMORY_BYTES = 16 * 2**20
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
        return gram_of_moving(k, x1, x1[:0], memory_bytes=memory_bytes)
    _check_shapes(x1, x2)
    tiling = _Tiling.of(k, x1, x2, memory_bytes)
    first, second = np.indices((tiling.tiles1, tiling.tiles2)).reshape(2, -1)
    return _fill(k, tiling, tiling.stack(x1, x2), first, second + tiling.tiles1)[:, len(x1) :]


def gram_of_moving(k: Kernel, z: Rows, x: Rows, *, memory_bytes: int | None = None) -> Block:
    """Evaluate a kernel between rows that move and all rows, in one pass: $k(z, [z; x])$.

    Args:
        k: the kernel.
        z: rows that move, shape (m, ...); each pair of them is evaluated once.
        x: rows that do not, shape (n, ...), possibly none.
        memory_bytes: budget for the feature maps of one tile, in bytes.

    Returns:
        Shape (m, m + n), its first m columns exactly symmetric with the analytic diagonal.
    """
    _check_shapes(z, x)
    tiling = _Tiling.of(k, z, x, memory_bytes)
    block = _fill(k, tiling, tiling.stack(z, x), *tiling.moving_pairs())
    # A tile on the diagonal is computed whole: its lower half takes the upper half's rounding.
    upper = jnp.triu(block[:, : len(z)], 1)
    among = upper + upper.T + jnp.diag(k.diagonal(z))
    return jnp.concatenate([among, block[:, len(z) :]], axis=1)


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
        return pullback_of_moving(k, x1, x1[:0], cotangent, memory_bytes=memory_bytes)
    _check_shapes(x1, x2)
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


def pullback_of_moving(
    k: Kernel, z: Rows, x: Rows, cotangent: Cotangent, *, memory_bytes: int | None = None
) -> Rows:
    r"""Pull a cotangent of `gram_of_moving` back to the rows that move, in one pass.

    The total derivative of $\sum_{ab} C_{ab}\,k(z_a, z_b) + \sum_{ai} C_{a,m+i}\,k(z_a, x_i)$ by z,
    for a C whose first m columns are symmetric.

    Args:
        k: the kernel.
        z: rows that move, shape (m, ...).
        x: rows that do not, shape (n, ...), possibly none.
        cotangent: C, shape (m, m + n), or its two factors.
        memory_bytes: budget for the feature maps of one tile, in bytes.

    Returns:
        The gradient, shaped as `z`.
    """
    _check_shapes(z, x)
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
        budget = memory_bytes or DEFAULT_MEMORY_BYTES
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


def _check_shapes(x1: Rows, x2: Rows) -> None:
    if x1.shape[1:] != x2.shape[1:] or x1.dtype != x2.dtype:
        raise InputError(
            f"rows of shape {x1.shape[1:]} and {x2.shape[1:]}, type {x1.dtype} and {x2.dtype}: "
            "expected both sets to have one shape and one type"
        )
    if not len(x1):
        raise InputError("no rows were given: expected at least one")
