r"""What a layer passes on about rows and pairs of rows, and how raw rows enter. Layer 2.

For every position p of a feature map (none once it is flattened) and every kernel k, either the
covariance of the network's outputs at initialisation (NNGP) or the tangent kernel (NTK):

* per row, the variance $k_{ii}[p]$;
* per pair, the squared distance $D_{ij}[p] = k_{ii} + k_{jj} - 2 k_{ij}$.

The covariance of a pair is never kept: where a generated row has come close to a real one,
$k_{ii} + k_{jj} - 2k_{ij}$ cancels in float32, and the angle between the rows, on which the
gradient hangs, is lost. Rows are the last axis and pairs the last two, so that every operation on
positions moves contiguous runs of pairs.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.typing import Rows

# Terms of a sum that are written out rather than looped over: a fused loop keeps them in registers.
_UNROLLED = 16


class Variance(NamedTuple):
    """Per row: the NNGP and NTK variances, shape (positions..., n)."""

    nngp: Float[Array, "*positions rows"]
    ntk: Float[Array, "*positions rows"]


class Distance(NamedTuple):
    """Per pair: the NNGP and NTK squared distances, shape (positions..., n1, n2)."""

    nngp: Float[Array, "*positions rows1 rows2"]
    ntk: Float[Array, "*positions rows1 rows2"]


def over_pairs(first: jax.Array, second: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Give per-row arrays of two sets the axes of their pairs, ready to broadcast."""
    return first[..., :, None], second[..., None, :]


def features(x: Rows) -> Float[Array, "*positions channels rows"]:
    """Rows (n, positions..., channels) with the rows last."""
    return jnp.moveaxis(x, 0, -1)


def variance_of(a: Float[Array, "*positions k rows"], scale: float) -> Variance:
    """The variances of raw features: ``scale * sum_k a_k**2``; the NTK starts at zero."""
    nngp = scale * jnp.sum(jnp.square(a), axis=-2)
    return Variance(nngp, jnp.zeros_like(nngp))


def distance_of(
    a: Float[Array, "*positions k rows1"], b: Float[Array, "*positions k rows2"], scale: float
) -> Distance:
    """The squared distances of raw features: ``scale * sum_k (a_k - b_k)**2``."""
    nngp = scale * squared_distance(a, b)
    return Distance(nngp, jnp.zeros_like(nngp))


@jax.custom_vjp
def squared_distance(
    a: Float[Array, "*positions k rows1"], b: Float[Array, "*positions k rows2"]
) -> Float[Array, "*positions rows1 rows2"]:
    r"""The squared distance $\sum_k (a_k - b_k)^2$ of all pairs, by differences.

    A matrix product would be $|a|^2 + |b|^2 - 2 a \cdot b$ and lose small distances in float32.
    The pull-back recomputes the differences, so nothing of the size of pairs times k is kept.
    """

    def add(total: jax.Array, pair: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        first, second = over_pairs(*pair)
        return total + jnp.square(first - second), None

    start = jnp.zeros((*a.shape[:-2], a.shape[-1], b.shape[-1]), a.dtype)
    terms = (jnp.moveaxis(a, -2, 0), jnp.moveaxis(b, -2, 0))
    return jax.lax.scan(add, start, terms, unroll=min(_UNROLLED, a.shape[-2]))[0]


def _squared_distance_forward(a: jax.Array, b: jax.Array) -> tuple[jax.Array, tuple]:
    return squared_distance(a, b), (a, b)


def _squared_distance_backward(rows: tuple, cotangent: jax.Array) -> tuple[jax.Array, jax.Array]:
    # Materialised once: otherwise every sum below would compute the whole chain behind it again.
    cotangent = jax.lax.optimization_barrier(cotangent)

    def pull(_: None, pair: tuple[jax.Array, jax.Array]) -> tuple[None, tuple]:
        first, second = over_pairs(*pair)
        weighted = 2 * cotangent * (first - second)
        return None, (jnp.sum(weighted, axis=-1), -jnp.sum(weighted, axis=-2))

    first, second = (jnp.moveaxis(x, -2, 0) for x in rows)
    _, (da, db) = jax.lax.scan(pull, None, (first, second), unroll=min(_UNROLLED, len(first)))
    return jnp.moveaxis(da, 0, -2), jnp.moveaxis(db, 0, -2)


squared_distance.defvjp(_squared_distance_forward, _squared_distance_backward)
