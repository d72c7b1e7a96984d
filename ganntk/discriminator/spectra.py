r"""Eigenvalues of a Gram matrix and what they say of the discriminator. Layer 2.

The derivative of $e^{-\lambda K}$ comes from the Daleckii-Krein formula (Higham 2008, Theorem
3.11): nothing here differentiates through an eigendecomposition, which is wrong where rows
coincide.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.typing import Gram, Labels, Scalar


class Spectrum(NamedTuple):
    r"""Eigenvalues, ascending, and orthonormal eigenvectors as columns.

    Of $K = U\,\mathrm{diag}(\kappa)\,U^T$ whole, or the Ritz pairs of a Krylov space that holds
    the labels: as the nodes and weights $(u_i^T y)^2$ of a Gauss quadrature those serve as well.
    """

    eigenvalues: Float[Array, " rank"]
    eigenvectors: Float[Array, "rows rank"]


def spectrum(K: Gram, *, diagonal: float = 0) -> Spectrum:
    r"""Decompose $K + \rho\,(\mathrm{tr} K / N)\,I$; `diagonal` is the regulariser $\rho$.

    Eigenvalues ascend, and those that rounding made negative are 0.
    """
    eigenvalues, eigenvectors = jnp.linalg.eigh(K)
    eigenvalues = jnp.maximum(eigenvalues, 0) + diagonal * jnp.trace(K) / len(K)
    return Spectrum(eigenvalues, eigenvectors)


def separation_error(eigen: Spectrum, y: Labels, lam: Scalar | float) -> Scalar:
    r"""How far the discriminator is from its labels, $\frac1N |D - y|^2$ (Algorithm 1).

    $= \frac1N \sum_i e^{-2\lambda\kappa_i} (u_i^T y)^2$: it falls monotonically with $\lambda$,
    from the share of real rows (1/2 when halves are equal).
    """
    weights = jnp.square(eigen.eigenvectors.T @ y)
    return jnp.sum(jnp.exp(-2 * lam * eigen.eigenvalues) * weights) / len(y)


def divided_differences(
    kappa: Float[Array, " rows"],
    lam: Scalar | float,
    *,
    against: Float[Array, " columns"] | None = None,
) -> Float[Array, "rows columns"]:
    r"""$\Phi_{ij} = (e^{-\lambda\kappa_i} - e^{-\lambda\kappa_j}) / (\kappa_i - \kappa_j)$.

    Written as $-\lambda\,e^{-\lambda\min(\kappa_i, \kappa_j)}\,\psi(\lambda|\kappa_i - \kappa_j|)$,
    where $\psi(u) = (1 - e^{-u})/u$: no gap of eigenvalues is ever a denominator by itself.

    Args:
        kappa: the values of the rows, at least zero.
        lam: training time, at least zero.
        against: the values of the columns; None means `kappa` again.

    Returns:
        One number for each pair of values.
    """
    row, column = kappa[:, None], (kappa if against is None else against)[None, :]
    u = lam * jnp.abs(row - column)
    apart = u > 0
    psi = jnp.where(apart, -jnp.expm1(-u) / jnp.where(apart, u, 1), 1)
    return -lam * jnp.exp(-lam * jnp.minimum(row, column)) * psi
