"""Oracle: the objectives as their papers print them, through a dense matrix exponential.

Nothing here shares a formula with `ganntk.discriminator`: no eigendecomposition, no divided
differences, and the cross entropy with its two columns and its softmax.
"""

import functools

import jax
import jax.numpy as jnp
from jax.scipy.linalg import expm
from jaxtyping import Array, Float

from ganntk.typing import Gram, Labels, Scalar


def predictions(
    K: Gram, targets: Float[Array, "rows ..."], lam: float, diagonal: float = 0
) -> Float[Array, "rows ..."]:
    """(I - exp(-lam K')) Y, K' = K + diagonal tr(K) / N I."""
    regularised = K + diagonal * jnp.trace(K) / len(K) * jnp.eye(len(K))
    # Good to lam |K| of 3e5: beyond it, expm has no squarings left and gives NaN.
    return targets - expm(-lam * regularised) @ targets


def loss(K: Gram, y: Labels, lam: float, diagonal: float = 0, *, objective: str) -> Scalar:
    """The objective of that name: S6 = |1 - D|^2 / 2, or the mean cross entropy to "real"."""
    if objective == "squared_error":
        return jnp.sum((1 - predictions(K, y, lam, diagonal)) ** 2) / 2
    one_hot = jnp.stack([1 - y, y], axis=1)
    logits = predictions(K, one_hot, lam, diagonal)
    return -jnp.mean(jax.nn.log_softmax(logits)[:, 1])


@functools.partial(jax.jit, static_argnames="objective")
def loss_and_cotangent(
    K: Gram, y: Labels, lam: float, diagonal: float = 0, *, objective: str
) -> tuple[Scalar, Gram]:
    """L, and dL/dK by reverse-mode differentiation of it, made symmetric."""
    value, G = jax.value_and_grad(loss)(K, y, lam, diagonal, objective=objective)
    return value, (G + G.T) / 2
