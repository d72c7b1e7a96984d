"""The words of the project: array shapes as types, and the low-rank cotangent. Layer 0.

Dimensions: n real rows, m generated rows, N = n + m, h x w pixels, c channels.
"""

from typing import NamedTuple, TypeAlias

import jax
from jaxtyping import Array, Float, Int, UInt8

Images: TypeAlias = Float[Array, "rows h w c"]
"""Images in [0, 1], channels last."""

Rows: TypeAlias = Float[Array, "rows ..."]
"""Images, or points of a mixture: one example per row."""

Gram: TypeAlias = Float[Array, "rows rows"]
"""A kernel evaluated between all pairs of some rows."""

Block: TypeAlias = Float[Array, "rows1 rows2"]
"""A kernel evaluated between two sets of rows."""

Labels: TypeAlias = Float[Array, " rows"]
"""1 on real rows, 0 on generated rows."""

Scalar: TypeAlias = Float[Array, ""]
Count: TypeAlias = Int[Array, ""]
Picture: TypeAlias = UInt8[Array, "height width channels"]
Key: TypeAlias = jax.Array
"""A key of `jax.random.key`."""


class LowRank(NamedTuple):
    """The matrix ``left @ right.T``, never formed: a cotangent of a Gram matrix.

    Attributes:
        left: its first factor.
        right: its second factor.
        identity: a multiple of the identity that belongs to it as well, where it is the cotangent
            of the whole matrix of one set of rows; a pull-back of a block takes the two factors.
    """

    left: Float[Array, "rows1 rank"]
    right: Float[Array, "rows2 rank"]
    identity: Scalar | float = 0.0


Cotangent: TypeAlias = Block | LowRank
"""dL/dK, as a matrix or as the two factors of one."""
