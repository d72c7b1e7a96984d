"""What is asked of the discriminator, and what a solver answers. Layer 2."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.typing import Cotangent, Count, Labels, Scalar


class LossAndCotangent(NamedTuple):
    r"""What a step needs of the discriminator.

    Attributes:
        loss: the objective.
        predictions: D on every row.
        cotangent: dL/dK, symmetric: a matrix from `eigh`, two factors from `lanczos`.
        eigenvalues: of K, ascending; from `lanczos` the Ritz values, which lie between the
            smallest and the largest.
        weights: $(u_i^T y)^2 / N$ of each, so that
            $\frac1N|D - y|^2 = \sum_i e^{-2\lambda\kappa_i} w_i$ for every $\lambda$.
        products: products of K with a vector that were needed; 0 from `eigh`.
        residual: estimate of the error of exp(-lam K), relative to what it is applied to; 0 from
            `eigh`.
    """

    loss: Scalar
    predictions: Labels
    cotangent: Cotangent
    eigenvalues: Float[Array, " rank"]
    weights: Float[Array, " rank"]
    products: Count
    residual: Scalar


def labels(real: int, points: int, dtype: jnp.dtype | None = None) -> Labels:
    """Labels of `real` real rows stacked on `points` generated rows: 1, then 0."""
    return jnp.concatenate([jnp.ones(real, dtype), jnp.zeros(points, dtype)])
