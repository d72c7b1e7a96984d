"""The discriminator from a whole eigendecomposition: exact, and best for a small N. Layer 2."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.discriminator.solution import LossAndCotangent
from ganntk.discriminator.spectra import divided_differences, spectrum
from ganntk.objectives import Objective
from ganntk.typing import Gram, Labels, Scalar


def predict(
    K: Gram, y: Float[Array, "rows ..."], lam: Scalar | float, *, diagonal: float = 0
) -> Float[Array, "rows ..."]:
    r"""The discriminator's predictions $D = (I - e^{-\lambda K}) y$ (Eq. 3).

    Args:
        K: Gram matrix of all rows, shape (N, N), symmetric positive semi-definite.
        y: labels, shape (N,), or columns of targets, shape (N, c).
        lam: training time, at least zero.
        diagonal: relative regulariser $\rho$ of the diagonal; the paper has none.

    Returns:
        Shaped as `y`.

    Example:
        >>> predict(jnp.eye(2), jnp.array([1.0, 0.0]), lam=jnp.inf)
        Array([1., 0.], dtype=float32)
    """
    kappa, U = spectrum(K, diagonal=diagonal)
    return U @ _scale_rows(-jnp.expm1(-lam * kappa), U.T @ y)


def by_eigh(
    K: Gram, y: Labels, lam: Scalar | float, *, objective: Objective, diagonal: float
) -> LossAndCotangent:
    r"""Loss, predictions and $dL/dK = -U[\Phi \circ \mathrm{sym}(\hat P \hat Y^T)]U^T$."""
    kappa, U = spectrum(K, diagonal=diagonal)
    targets = objective.targets(y)
    targets_hat = U.T @ targets
    F = U @ _scale_rows(-jnp.expm1(-lam * kappa), targets_hat)
    loss, slope = objective.loss_and_slope(F)
    # sym(P Y^T) in the eigenbasis
    product = (U.T @ slope) @ targets_hat.T
    inner = divided_differences(kappa, lam) * (product + product.T) / 2
    G = -(U @ inner @ U.T)
    # The regulariser's own dependence on K: d(tr K / N)/dK = I / N.
    G = G + diagonal * jnp.trace(G) / len(K) * jnp.eye(len(K), dtype=K.dtype)
    y_hat = U.T @ y
    return LossAndCotangent(
        loss=loss,
        predictions=U @ (-jnp.expm1(-lam * kappa) * y_hat),
        cotangent=G,
        eigenvalues=kappa,
        weights=jnp.square(y_hat) / len(y),
        products=jnp.zeros((), jnp.int32),
        residual=jnp.zeros_like(loss),
    )


def _scale_rows(
    scale: Float[Array, " rows"], columns: Float[Array, "rows ..."]
) -> Float[Array, "rows ..."]:
    return scale.reshape(-1, *[1] * (columns.ndim - 1)) * columns
