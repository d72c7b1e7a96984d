r"""A penalty on generated rows that resemble real ones. Layer 2.

$w \sum_a \max_i \cos(z_a, x_i)$, beside the objective: a regulariser of the authors' code, whose
own form of it could not run. It is a sum over generated rows, so whoever owns a row computes its
share.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.typing import Rows, Scalar


def best_cosines(points: Rows, real: Rows) -> Float[Array, " points"]:
    """The cosine of each generated row with the real row that is most like it.

    Args:
        points: shape (m, ...).
        real: shape (n, ...).
    """
    return jnp.max(_directions(points) @ _directions(real).T, axis=1)


def slope(points: Rows, real: Rows, weight: float) -> Rows:
    """The gradient of the penalty by the generated rows.

    Args:
        points: shape (m, ...).
        real: shape (n, ...).
        weight: of the penalty, at least 0.
    """

    def penalty(points: Rows) -> Scalar:
        return weight * jnp.sum(best_cosines(points, real))

    return jax.grad(penalty)(points)


def _directions(rows: Rows) -> Float[Array, "rows numbers"]:
    """Flattened rows of length one; a row of zeros stays, and has no gradient."""
    flat = rows.reshape(len(rows), -1)
    squares = jnp.sum(flat * flat, axis=1, keepdims=True)
    return flat * jnp.where(squares > 0, jax.lax.rsqrt(jnp.where(squares > 0, squares, 1)), 0)
