r"""How the discriminator's matrix function is computed, by name. Layer 2."""

from typing import Literal, TypeAlias, get_args

from ganntk.discriminator.exact import by_eigh
from ganntk.discriminator.lanczos import by_lanczos
from ganntk.discriminator.products import Operator
from ganntk.discriminator.solution import LossAndCotangent
from ganntk.objectives import Objective
from ganntk.registry import unknown_name
from ganntk.typing import Gram, Labels, Scalar

Solver: TypeAlias = Literal["auto", "eigh", "lanczos"]

LARGEST_EIGH = 1024
"""Rows up to which `auto` means `eigh`."""


def solver_for(solver: Solver, rows: int) -> Literal["eigh", "lanczos"]:
    """What a name means for so many rows, real and generated.

    Raises:
        InputError: the solver is not known.

    Example:
        >>> solver_for("auto", 1024), solver_for("auto", 1025)
        ('eigh', 'lanczos')
    """
    if solver not in get_args(Solver):
        raise unknown_name("solver", solver, get_args(Solver))
    if solver == "auto":
        return "eigh" if rows <= LARGEST_EIGH else "lanczos"
    return solver


def loss_and_cotangent(
    K: Gram,
    y: Labels,
    lam: Scalar | float,
    *,
    objective: Objective | str = "squared_error",
    solver: Solver = "eigh",
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
        solver: how the matrix function is computed: `eigh`, exact for any K; `lanczos`, by a few
            products of K with vectors, where K may be float32 while `y` is float64; `auto`, by the
            number of rows.
        diagonal: relative regulariser $\rho$ of the diagonal; the authors' code has 1e-5.

    Returns:
        The loss, D (N,), the symmetric cotangent, and the (regularised) eigenvalues of K. From
        `lanczos` the cotangent is two factors, and `residual` says whether it converged.

    Raises:
        InputError: the objective or the solver is not known.
    """
    chosen = solver_for(solver, len(K))
    rule: Objective = Objective.find(objective)() if isinstance(objective, str) else objective
    if chosen == "lanczos":
        return by_lanczos(Operator.of(K), y, lam, objective=rule, diagonal=diagonal)
    return by_eigh(K, y, lam, objective=rule, diagonal=diagonal)
