r"""The discriminator in closed form: predictions, objective, cotangent of a Gram matrix. Layer 2.

The mean of a Gaussian process whose kernel is the NTK K, trained by gradient flow for "time"
$\lambda$ on labels y (1 on real rows, 0 on generated rows) and read at its own training rows, is
$D = (I - e^{-\lambda K})y$ (Zhang et al. 2022, Eq. 3). The cotangent $dL/dK$ comes from the
Daleckii-Krein formula (Higham 2008, Theorem 3.11): nothing here differentiates through an
eigendecomposition, which is wrong where rows coincide.
"""

from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.objectives import Objective
from ganntk.registry import unknown_name
from ganntk.typing import Gram, Labels, Scalar


class Spectrum(NamedTuple):
    r"""The eigendecomposition $K = U\,\mathrm{diag}(\kappa)\,U^T$."""

    eigenvalues: Float[Array, " rows"]
    eigenvectors: Float[Array, "rows rows"]


class LossAndCotangent(NamedTuple):
    """What a step needs of the discriminator."""

    loss: Scalar
    predictions: Labels
    cotangent: Gram
    eigenvalues: Float[Array, " rows"]


def labels(real: int, points: int, dtype: jnp.dtype | None = None) -> Labels:
    """Labels of `real` real rows stacked on `points` generated rows: 1, then 0."""
    return jnp.concatenate([jnp.ones(real, dtype), jnp.zeros(points, dtype)])


def spectrum(K: Gram, *, diagonal: float = 0) -> Spectrum:
    r"""Decompose $K + \rho\,(\mathrm{tr} K / N)\,I$; `diagonal` is the regulariser $\rho$.

    Eigenvalues ascend, and those that rounding made negative are 0.
    """
    eigenvalues, eigenvectors = jnp.linalg.eigh(K)
    eigenvalues = jnp.maximum(eigenvalues, 0) + diagonal * jnp.trace(K) / len(K)
    return Spectrum(eigenvalues, eigenvectors)


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


def separation_error(eigen: Spectrum, y: Labels, lam: Scalar | float) -> Scalar:
    r"""How far the discriminator is from its labels, $\frac1N |D - y|^2$ (Algorithm 1).

    $= \frac1N \sum_i e^{-2\lambda\kappa_i} (u_i^T y)^2$: it falls monotonically with $\lambda$,
    from the share of real rows (1/2 when halves are equal).
    """
    weights = jnp.square(eigen.eigenvectors.T @ y)
    return jnp.sum(jnp.exp(-2 * lam * eigen.eigenvalues) * weights) / len(y)


def loss_and_cotangent(
    K: Gram,
    y: Labels,
    lam: Scalar | float,
    *,
    objective: Objective | str = "squared_error",
    solver: Literal["eigh"] = "eigh",
    diagonal: float = 0,
) -> LossAndCotangent:
    r"""The objective, the predictions and $dL/dK$.

    With $P = dL/dF$ at $F = (I - e^{-\lambda K})Y$, hats for coordinates in the eigenbasis and
    $\Phi$ the divided differences of $e^{-\lambda\kappa}$:
    $dL/dK = -U[\Phi \circ \mathrm{sym}(\hat P \hat Y^T)]U^T$.

    Args:
        K: Gram matrix of all rows, shape (N, N).
        y: labels, 1 on real rows and 0 on generated rows, shape (N,).
        lam: training time, at least zero.
        objective: an objective, or the name of one with its defaults.
        solver: how the matrix function is computed: `eigh`, exact for any K.
        diagonal: relative regulariser $\rho$ of the diagonal; the authors' code has 1e-5.

    Returns:
        The loss, D (N,), the symmetric cotangent (N, N), and the (regularised) eigenvalues of K.

    Raises:
        InputError: the objective or the solver is not known.
    """
    if solver != "eigh":
        raise unknown_name("solver", solver, ["eigh"])
    rule: Objective = Objective.find(objective)() if isinstance(objective, str) else objective
    kappa, U = spectrum(K, diagonal=diagonal)
    targets = rule.targets(y)
    targets_hat = U.T @ targets
    F = U @ _scale_rows(-jnp.expm1(-lam * kappa), targets_hat)
    loss, slope = rule.loss_and_slope(F)
    # sym(P Y^T) in the eigenbasis
    product = (U.T @ slope) @ targets_hat.T
    inner = divided_differences(kappa, lam) * (product + product.T) / 2
    G = -(U @ inner @ U.T)
    # The regulariser's own dependence on K: d(tr K / N)/dK = I / N.
    G = G + diagonal * jnp.trace(G) / len(K) * jnp.eye(len(K), dtype=K.dtype)
    D = U @ (-jnp.expm1(-lam * kappa) * (U.T @ y))
    return LossAndCotangent(loss, D, G, kappa)


def divided_differences(
    kappa: Float[Array, " rows"], lam: Scalar | float
) -> Float[Array, "rows rows"]:
    r"""$\Phi_{ij} = (e^{-\lambda\kappa_i} - e^{-\lambda\kappa_j}) / (\kappa_i - \kappa_j)$.

    Written as $-\lambda\,e^{-\lambda\min(\kappa_i, \kappa_j)}\,\psi(\lambda|\kappa_i - \kappa_j|)$,
    where $\psi(u) = (1 - e^{-u})/u$: no gap of eigenvalues is ever a denominator by itself.
    """
    smaller = jnp.minimum(kappa[:, None], kappa[None, :])
    u = lam * jnp.abs(kappa[:, None] - kappa[None, :])
    apart = u > 0
    psi = jnp.where(apart, -jnp.expm1(-u) / jnp.where(apart, u, 1), 1)
    return -lam * jnp.exp(-lam * smaller) * psi


def _scale_rows(
    scale: Float[Array, " rows"], columns: Float[Array, "rows ..."]
) -> Float[Array, "rows ..."]:
    return scale.reshape(-1, *[1] * (columns.ndim - 1)) * columns
