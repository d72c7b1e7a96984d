r"""The exact step, cut by rows: what the owner of some generated rows computes. Layer 3.

A worker that owns rows $Z_r$ needs X, all of Z, and the rows of $G = dL/dK$ that belong to $Z_r$.
It fills its rows of K and pulls its rows of G back. Nothing else of a step is its own, and no
gradient is reduced: the rows of all shards together are those of `synthesis.step`.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from ganntk import discriminator, similarity
from ganntk.kernels import gram, pullback
from ganntk.synthesis import Problem
from ganntk.typing import Block, Cotangent, LowRank, Rows, Scalar


class Shard(NamedTuple):
    """The generated rows of one worker, and the state of their optimiser."""

    points: Rows
    optimizer: optax.OptState


class Held(NamedTuple):
    """The rows of K that one worker keeps.

    Attributes:
        among: of its real rows against all real rows.
        rows: of its points against all points, then all real rows.
    """

    among: Float[Array, "n_r n"]
    rows: Block


def share(count: int, shards: int, index: int) -> slice:
    """The rows of one of several shards: contiguous, and as equal as can be.

    Example:
        >>> [share(7, 3, index) for index in range(3)]
        [slice(0, 3, None), slice(3, 5, None), slice(5, 7, None)]
    """
    size, rest = divmod(count, shards)
    start = index * size + min(index, rest)
    return slice(start, start + size + (index < rest))


@functools.partial(jax.jit, static_argnums=0)
def fill(problem: Problem, own: Rows, points: Rows, real: Rows) -> Block:
    """The rows of K that belong to some points: against all points, then against real rows.

    Args:
        problem: what does not change.
        own: the points of one shard, shape (m_r, ...).
        points: those of all shards, shape (m, ...).
        real: shape (n, ...).

    Returns:
        Shape (m_r, m + n).
    """
    others = jnp.concatenate([points, real])
    return gram(problem.kernel, own, others, memory_bytes=problem.memory_bytes)


@functools.partial(jax.jit, static_argnums=0)
def move(
    problem: Problem, shard: Shard, points: Rows, real: Rows, cotangent: Cotangent
) -> tuple[Shard, Scalar]:
    r"""Pull a shard's rows of $dL/dK$ back, and move its points.

    Args:
        problem: what does not change.
        shard: the points and their optimiser.
        points: those of all shards, shape (m, ...).
        real: shape (n, ...).
        cotangent: the shard's rows of G against points and real rows, (m_r, m + n), whole or as
            two factors; its `identity` is that of the whole G.

    Returns:
        The shard after the step, and the squared norm of its gradient.
    """
    others = jnp.concatenate([points, real])
    G = jax.tree.map(lambda a: jnp.asarray(a, shard.points.dtype), cotangent)
    # A row of generated points stands twice in K: as a row and as a column. On the diagonal the
    # two are the halves of one gradient.
    doubled: Cotangent = G._replace(left=2 * G.left) if isinstance(G, LowRank) else 2 * G
    slope = pullback(
        problem.kernel, shard.points, others, doubled, memory_bytes=problem.memory_bytes
    )
    if isinstance(G, LowRank):
        diagonal, pull = jax.vjp(problem.kernel.diagonal, shard.points)
        slope += pull(jnp.full_like(diagonal, G.identity))[0]
    if problem.similarity:
        slope += similarity.slope(shard.points, real, problem.similarity)
    updates, optimizer = problem.optimizer.update(slope, shard.optimizer, shard.points)
    moved: Any = optax.apply_updates(shard.points, updates)
    return Shard(problem.points.project(moved), optimizer), jnp.sum(jnp.square(slope))


@jax.jit
def multiplied(
    held: Held, v: Float[Array, "rows width"], first_real: int, first_point: int
) -> tuple[Float[Array, "n width"], Float[Array, "m_r width"]]:
    """What the owner of some rows of K adds to K v, with real rows before points.

    Args:
        held: its rows.
        v: shape (n + m, width), in the precision of the products.
        first_real: number of its first real row.
        first_point: number of its first point.

    Returns:
        A part of all real rows, which the owners' sum is the whole of; and its points' rows.
    """
    among, rows = held
    n = among.shape[1]
    m = rows.shape[1] - n
    x, z = v[:n], v[n:]
    own = jax.lax.dynamic_slice_in_dim(z, first_point, len(rows))
    times = discriminator.times
    real = times(rows[:, m:], own, contract=0)
    here = jax.lax.dynamic_slice_in_dim(real, first_real, len(among)) + times(among, x)
    real = jax.lax.dynamic_update_slice_in_dim(real, here, first_real, axis=0)
    return real, times(rows[:, :m], z) + times(rows[:, m:], x)


def join(shards: list[Shard]) -> Shard:
    """One shard of all rows, as NumPy arrays: what a snapshot holds."""

    def joined(*leaves: Any) -> np.ndarray:
        is_by_row = _is_by_row(leaves[0], shards[0].points)
        return np.concatenate(leaves) if is_by_row else np.asarray(leaves[0])

    return jax.tree.map(joined, *shards)


def split(whole: Shard, shards: int) -> list[Shard]:
    """Cut one shard of all rows into several: the number may differ from that before `join`."""
    count = len(whole.points)

    def cut(leaf: Any, index: int) -> Any:
        return leaf[share(count, shards, index)] if _is_by_row(leaf, whole.points) else leaf

    return [jax.tree.map(functools.partial(cut, index=index), whole) for index in range(shards)]


def _is_by_row(leaf: Any, points: Any) -> bool:
    """Whether an optimiser's leaf has numbers for each point: others are the same everywhere.

    Shaped as the points, or with one number for each, of as many dimensions.
    """
    count, *rest = points.shape
    return leaf.shape == points.shape or leaf.shape == (count, *[1] * len(rest))
