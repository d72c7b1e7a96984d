r"""The block Lanczos recurrence with full reorthogonalisation, as functions over named state.

Layer 2. One step asks for one product of K with a block of vectors and orthonormalises it against
everything before. Nothing here calls K: whoever owns the product drives the recurrence, inside a
jitted loop or from a host whose rows live on other machines.
"""

from collections.abc import Callable
from functools import partial
from itertools import count, takewhile
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ganntk.typing import Count, Scalar

# What is left of a product below this share of the largest one is rounding: it has no direction.
_ROUNDINGS = 32
_SMALLEST = 32


class Krylov(NamedTuple):
    r"""An orthonormal basis V of a Krylov space, and $T = V^T K V$ on it.

    The arrays have room for all blocks from the start, so that a jitted loop can fill them. Vectors
    not yet filled are zero, and so are vectors that had no new direction (`is_live` says which).

    Attributes:
        basis: the rows of V^T: what is filled of it lies together in memory.
        pending: the block to multiply next, the last one of V; its own block of T is a guess.
        projected: T, symmetric.
        is_live: which columns of V are vectors.
        coordinates: of the columns that the space started from, in V.
        scale: the longest product so far, a lower bound of the norm of K.
        blocks: how many blocks were multiplied.
    """

    basis: Float[Array, "capacity rows"]
    pending: Float[Array, "rows width"]
    projected: Float[Array, "capacity capacity"]
    is_live: Bool[Array, " capacity"]
    coordinates: Float[Array, "capacity width"]
    scale: Scalar
    blocks: Count

    @property
    def width(self) -> int:
        """How many vectors a block holds."""
        return self.pending.shape[1]

    @property
    def filled(self) -> Count:
        """How many vectors of V are filled, the pending ones included."""
        return (self.blocks + 1) * self.width


@partial(jax.jit, static_argnames="most_blocks")
def start(columns: Float[Array, "rows width"], *, most_blocks: int) -> Krylov:
    """An orthonormal basis of some columns, with room for `most_blocks` products."""
    rows, width = columns.shape
    capacity = (most_blocks + 1) * width
    floor = _ROUNDINGS * jnp.finfo(columns.dtype).eps * _longest(columns)
    first, is_live = _gram_schmidt(columns, floor)
    empty = jnp.zeros((capacity, rows), columns.dtype)
    basis = empty.at[:width].set(first.T)
    return Krylov(
        basis=basis,
        pending=first,
        projected=jnp.zeros((capacity, capacity), columns.dtype),
        is_live=jnp.zeros(capacity, bool).at[:width].set(is_live),
        coordinates=basis @ columns,
        scale=jnp.zeros((), columns.dtype),
        blocks=jnp.zeros((), jnp.int32),
    )


@jax.jit
def extend(space: Krylov, product: Float[Array, "rows width"]) -> Krylov:
    """Add a block to the space, given the product of K with the pending one."""
    after = space.filled
    at = after - space.width
    scale = jnp.maximum(space.scale, _longest(product))
    # Twice is enough (Giraud et al. 2005). Between the passes the block is made orthonormal, so
    # that the second one sees what rounding left of the space in it.
    rest, column = _without(space, product)
    floor = _ROUNDINGS * jnp.finfo(product.dtype).eps * scale
    once, has_direction = _gram_schmidt(rest, floor)
    # A vector that the second pass shortens was rounding, inside the space.
    pending, is_outside = _gram_schmidt(_without(space, once)[0], 0.5)
    corner = jax.lax.dynamic_slice_in_dim(column, at, space.width)
    corner = (corner + corner.T) / 2
    column = jax.lax.dynamic_update_slice_in_dim(column, corner, at, axis=0)
    column = jax.lax.dynamic_update_slice_in_dim(column, pending.T @ product, after, axis=0)
    T = jax.lax.dynamic_update_slice_in_dim(space.projected, column, at, axis=1)
    T = jax.lax.dynamic_update_slice_in_dim(T, column.T, at, axis=0)
    # The pending block costs no product if its own block of T is guessed. Its true value changes
    # little from step to step, and a wrong one counts as much as the next residual does.
    T = jax.lax.dynamic_update_slice(T, corner, (after, after))
    return space._replace(
        basis=jax.lax.dynamic_update_slice_in_dim(space.basis, pending.T, after, axis=0),
        pending=pending,
        projected=T,
        is_live=jax.lax.dynamic_update_slice_in_dim(
            space.is_live, has_direction & is_outside, after, axis=0
        ),
        scale=scale,
        blocks=space.blocks + 1,
    )


def is_exhausted(space: Krylov) -> Bool[Array, ""]:
    """Whether K maps the space into itself: then everything in it is exact."""
    at = space.filled - space.width
    return ~jnp.any(jax.lax.dynamic_slice_in_dim(space.is_live, at, space.width))


def without_pending(space: Krylov) -> Krylov:
    """The space of the blocks that were multiplied, where T holds no guess."""
    is_known = jnp.arange(len(space.is_live)) < space.filled - space.width
    return space._replace(is_live=space.is_live & is_known)


def at_size(filled: Count, capacity: int, function: Callable[..., Any], *operands: Any) -> Any:
    """Call ``function(size, *operands)`` with one of a few sizes that is at least `filled`.

    A jitted loop has arrays for the longest run. Worked on whole they would cost more than the
    products do. Sizes are the same powers of two whatever the capacity, so that what was computed
    at the size of one space is whole at the size of a larger one.
    """
    powers = takewhile(lambda size: size < capacity, (_SMALLEST << i for i in count()))
    sizes = [*powers, capacity]
    choice = jnp.sum(filled > jnp.asarray(sizes[:-1], jnp.int32))
    return jax.lax.switch(choice, [partial(function, size) for size in sizes], *operands)


def _without(
    space: Krylov, block: Float[Array, "rows width"]
) -> tuple[Float[Array, "rows width"], Float[Array, "capacity width"]]:
    """A block without its part in the space, and the coordinates of that part."""
    capacity = len(space.basis)

    def subtract(size: int, basis: Array, block: Array) -> tuple[Array, Array]:
        part = basis[:size] @ block
        return block - basis[:size].T @ part, jnp.pad(part, ((0, capacity - size), (0, 0)))

    return at_size(space.filled, capacity, subtract, space.basis, block)


def _gram_schmidt(
    block: Float[Array, "rows width"], floor: Scalar | float
) -> tuple[Float[Array, "rows width"], Bool[Array, " width"]]:
    """Orthonormal columns; one shorter than the floor becomes zero, and is none."""
    columns, lengths = [], []
    for column in block.T:
        rest = column
        for before in 2 * columns:
            rest = rest - before * (before @ rest)
        length = jnp.linalg.norm(rest)
        has_direction = length > floor
        columns.append(jnp.where(has_direction, rest / jnp.where(has_direction, length, 1), 0))
        lengths.append(length)
    return jnp.stack(columns, axis=1), jnp.stack(lengths) > floor


def _longest(columns: Float[Array, "rows width"]) -> Scalar:
    return jnp.max(jnp.linalg.norm(columns, axis=0))
