"""Products of a Gram matrix with vectors: what Lanczos knows of it. Layer 2."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.typing import Block, Gram, Scalar

_MEMORY_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Operator:
    """A Gram matrix that is known by its products.

    Attributes:
        product: K times a block of vectors, (N, b) -> (N, b); traceable where the loop is jitted.
        dtype: of the entries of K, which says how exact its products are.
        trace: of K; only a regulariser of the diagonal needs it.
    """

    product: Callable[[Float[Array, "rows width"]], Float[Array, "rows width"]]
    dtype: Any
    trace: Scalar | float = 0.0

    @classmethod
    def of(cls, K: Gram) -> "Operator":
        """The operator of a matrix, which keeps its precision."""
        return cls(lambda v: times(K, v), K.dtype, jnp.trace(K))


def times(
    K: Block, v: Float[Array, "columns width"], *, contract: int = 1
) -> Float[Array, "rows width"]:
    """K v, or K^T v, with the sums in the precision of v.

    A float32 K keeps its memory: pieces of it become float64 one after the other. The products
    need that. The largest eigenvalue is about N times the mean entry, and float32 sums of that
    size are wrong by more than the small eigenvalues allow: 5e-5 in D at 512 rows.

    Args:
        K: a matrix.
        v: a block of vectors.
        contract: the axis of K to sum over: 0 for K^T v.
    """
    if K.dtype == v.dtype:
        return jnp.tensordot(K, v, axes=(contract, 0), precision="highest")
    kept = 1 - contract
    rows = K.shape[kept]
    pieces = -(-K.size * v.dtype.itemsize // _MEMORY_BYTES)
    size = -(-rows // pieces)

    def add(i: Array, result: Float[Array, "rows width"]) -> Float[Array, "rows width"]:
        # The last piece reaches back over rows that are there already.
        first = jnp.minimum(i * size, rows - size)
        piece = jax.lax.dynamic_slice_in_dim(K, first, size, axis=kept).astype(v.dtype)
        product = jnp.tensordot(piece, v, axes=(contract, 0), precision="highest")
        return jax.lax.dynamic_update_slice_in_dim(result, product, first, axis=0)

    return jax.lax.fori_loop(0, pieces, add, jnp.zeros((rows, v.shape[1]), v.dtype))
