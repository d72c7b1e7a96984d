r"""The discriminator at rows that it was not trained on. Layer 2.

The mean of the same Gaussian process at a row x is
$D(x) = k(x, \cdot)\,K^{-1}(I - e^{-\lambda K})\,y$: Eq. 3 of Zhang et al. (2022) before it is read
at the training rows.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.discriminator.spectra import Spectrum
from ganntk.typing import Labels, Scalar


def predict_elsewhere(
    eigen: Spectrum, y: Labels, lam: Scalar | float, block: Float[Array, "others rows"]
) -> Float[Array, " others"]:
    r"""Read the discriminator at other rows.

    $$ D = k(X', \cdot)\, U\, \mathrm{diag}\Bigl(\frac{1-e^{-\lambda\kappa}}{\kappa}\Bigr) U^T y $$

    Where $\kappa$ is 0 the quotient is $\lambda$: nothing is divided by it.

    Args:
        eigen: the whole spectrum of the training rows' Gram matrix.
        y: their labels.
        lam: training time.
        block: the kernel of the other rows with the training rows.
    """
    kappa = eigen.eigenvalues
    slow = lam * kappa < 1e-12  # 1 - exp(-u) = u there, to the last digit
    safe = jnp.where(slow, 1.0, kappa)
    quotient = jnp.where(slow, lam, -jnp.expm1(-lam * safe) / safe)
    return block @ (eigen.eigenvectors @ (quotient * (eigen.eigenvectors.T @ y)))
