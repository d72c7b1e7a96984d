r"""What a Krylov space says of $e^{-\lambda K}$: Ritz pairs, and how wrong they are. Layer 2."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.discriminator.krylov import Krylov, at_size, is_exhausted
from ganntk.typing import Count, Scalar

_TIMES = 64


class Ritz(NamedTuple):
    r"""$T = W\,\mathrm{diag}(\theta)\,W^T$: K on the space, the columns of V W its eigenvectors."""

    values: Float[Array, " capacity"]
    vectors: Float[Array, "capacity capacity"]


@jax.jit
def decompose(space: Krylov) -> Ritz:
    """The Ritz pairs; the part of the space that is not filled yet costs nothing.

    Values ascend and are at least zero, as those of `spectrum`. A column of V that is no vector
    has a value between the others and a vector that meets none of them.
    """
    return at_size(space.filled, len(space.projected), _decomposed, space)


def _decomposed(size: int, space: Krylov) -> Ritz:
    capacity = len(space.projected)
    is_live = space.is_live[:size]
    T = jnp.where(is_live[:, None] & is_live, space.projected[:size, :size], 0)
    # Any entry of T's diagonal lies between the Ritz values.
    T = T + jnp.diag(jnp.where(is_live, 0, T[0, 0]))
    values, vectors = jnp.linalg.eigh(T)
    values = jnp.maximum(values, 0)
    return Ritz(
        values=jnp.pad(values, (0, capacity - size), mode="edge"),
        vectors=jnp.eye(capacity, dtype=T.dtype).at[:size, :size].set(vectors),
    )


def coordinates(
    space: Krylov, ritz: Ritz, columns: Float[Array, "rows c"]
) -> Float[Array, "capacity c"]:
    """Coordinates of some columns along the Ritz vectors."""
    return ritz.vectors.T @ (space.basis @ columns)


def residual(space: Krylov, longest: Scalar | float) -> Scalar:
    r"""Estimate the error of $e^{-sK}S$ for all s up to the `longest`, relative to |S|.

    $V e^{-sT} V^T S$ solves $\dot u = -Ku$ but for $(KV - VT)e^{-sT}V^TS$, which lives in the last
    block alone [saad1992krylov; botchev2013residual]. K is positive semi-definite, so nothing that
    enters there grows, and the error is at most the integral of
    $\beta\,|E_{\text{last}}^T e^{-sT} V^T S|$ over the times. The $\beta$ after the pending block
    is not known before its product; it is taken as the larger of the last two. One number covers
    all times, because the cotangent is an integral over them.

    Args:
        space: the space, with at least one block multiplied.
        longest: the longest time s, at least zero.
    """
    ritz = decompose(space)
    width = space.width
    at = space.filled - width
    last = jax.lax.dynamic_slice_in_dim(ritz.vectors, at, width)
    is_live = jax.lax.dynamic_slice_in_dim(space.is_live, at, width)
    last = jnp.where(is_live[:, None], last, 0)
    start = ritz.vectors.T @ space.coordinates
    # Geometric times: the first is too short for anything to happen, the last is the longest.
    shortest = -jnp.log1p(100 * longest * ritz.values[-1])
    times = longest * jnp.exp(jnp.linspace(shortest, 0, _TIMES))
    decay = jnp.exp(-times[:, None] * ritz.values)
    rate = jnp.linalg.norm((last * decay[:, None, :]) @ start, axis=(1, 2))
    beta = jnp.maximum(_coupling(space, at), _coupling(space, at - width))
    total = beta * jnp.trapezoid(rate, times)
    length = jnp.linalg.norm(space.coordinates)
    return jnp.where(is_exhausted(space), 0, total / jnp.where(length > 0, length, 1))


def _coupling(space: Krylov, at: Count) -> Scalar:
    """Norm of the block of T that couples the block at column `at` to the one before it."""
    width = space.width
    return jnp.linalg.norm(
        jax.lax.dynamic_slice(space.projected, (at, jnp.maximum(at - width, 0)), (width, width))
    )
