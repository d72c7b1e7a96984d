r"""The discriminator in closed form: predictions, objective, cotangent of a Gram matrix. Layer 2.

The mean of a Gaussian process whose kernel is the NTK K, trained by gradient flow for "time"
$\lambda$ on labels y (1 on real rows, 0 on generated rows) and read at its own training rows, is
$D = (I - e^{-\lambda K})y$ (Zhang et al. 2022, Eq. 3).
"""

from ganntk.discriminator.elsewhere import predict_elsewhere
from ganntk.discriminator.exact import predict
from ganntk.discriminator.lanczos import by_lanczos, on_host, partial_spectrum, tolerance
from ganntk.discriminator.products import Operator, times
from ganntk.discriminator.solution import LossAndCotangent, labels
from ganntk.discriminator.solvers import LARGEST_EIGH, Solver, loss_and_cotangent, solver_for
from ganntk.discriminator.spectra import (
    Spectrum,
    divided_differences,
    separation_error,
    spectrum,
)

__all__ = [
    "LARGEST_EIGH",
    "LossAndCotangent",
    "Operator",
    "Solver",
    "Spectrum",
    "by_lanczos",
    "divided_differences",
    "labels",
    "loss_and_cotangent",
    "on_host",
    "partial_spectrum",
    "predict",
    "predict_elsewhere",
    "separation_error",
    "solver_for",
    "spectrum",
    "times",
    "tolerance",
]
