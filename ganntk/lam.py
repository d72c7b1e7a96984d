r"""The training time $\lambda$ of the discriminator: fixed, searched, or annealed. Layer 2."""

import abc
import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ganntk.discriminator import Spectrum
from ganntk.errors import InputError
from ganntk.registry import Registered
from ganntk.typing import Count, Labels, Scalar

# Doublings or halvings from 1: beyond 2**200 an eigenvalue of float64 is zero.
_LARGEST_EXPONENT = 200
_BISECTIONS = 100
# Of an interval of some per cent: to the last digit.
_HALVINGS = 50


class Lam(Registered, abc.ABC):
    r"""A rule for $\lambda$."""

    kind = "lam rule"
    package = "ganntk.lam"
    default_name = "searched"
    _registry: ClassVar[dict[str, type]] = {}

    @abc.abstractmethod
    def choose(self, spectrum: Spectrum, y: Labels) -> float:
        r"""The $\lambda$ to start with, for real rows and the first points.

        Args:
            spectrum: of their Gram matrix, whole or as far as the labels see it.
            y: labels, shape (N,).
        """

    def after(
        self,
        step: Count,
        lam: Scalar,
        eigenvalues: Float[Array, " rank"],
        weights: Float[Array, " rank"],
    ) -> Scalar:
        r"""The $\lambda$ after a step, from what the step knows of the spectrum; jittable.

        Args:
            step: steps taken, that one included.
            lam: the value of that step.
            eigenvalues: of its Gram matrix, or Ritz values.
            weights: $(u_i^T y)^2 / N$ of each.
        """
        return lam


@Lam.register("fixed")
@dataclass(frozen=True)
class Fixed(Lam):
    r"""A given $\lambda$.

    Args:
        value: at least zero; finite.
    """

    value: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.value) and self.value >= 0):
            raise InputError(f"lam is {self.value}: expected a finite number of at least 0")

    def choose(self, spectrum: Spectrum, y: Labels) -> float:
        return self.value


@Lam.register("searched")
@dataclass(frozen=True)
class Searched(Lam):
    r"""The smallest $\lambda$ that separates data from noise to a tolerance (Algorithm 1).

    Printed, the algorithm doubles while the error is *at most* the tolerance, which ends at once or
    never; meant is while it is larger. One decomposition gives the whole curve of the error, so the
    answer is continuous rather than a power of two, and may lie below 1.

    Args:
        error: the tolerance for $\frac1N|D - y|^2$, between 0 and 1/2; the paper uses 1e-3 to 1e-2.
    """

    error: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 < self.error < 0.5:
            raise InputError(
                f"lam.error is {self.error}: expected a tolerance between 0 and 0.5, such as 0.001"
            )

    def choose(self, spectrum: Spectrum, y: Labels) -> float:
        return solve(spectrum, y, self.error)


@Lam.register("annealed")
@dataclass(frozen=True)
class Annealed(Lam):
    r"""A $\lambda$ that follows the spectrum: the discriminator's error is on a schedule.

    The start is that of `Searched`. While points move towards real rows a fixed $\lambda$ separates
    them less and less. Here every step solves $\frac1N|D - y|^2 = \epsilon$ anew, from the
    eigenvalues that it knows already, for an $\epsilon$ that goes from `error` to `last_error`.

    Args:
        error: the tolerance at the start, between 0 and 1/2.
        last_error: the tolerance at the end of the schedule.
        steps: how long the schedule is; geometric between the two, constant after it.
        factor: the largest change of $\lambda$ in one step, above 1.
        most: the largest $\lambda$: rows that have met real ones are separated by none.
    """

    error: float = 1e-3
    last_error: float = 1e-2
    steps: int = 500
    factor: float = 1.05
    most: float = 100.0

    def __post_init__(self) -> None:
        for name in ("error", "last_error"):
            if not 0 < (value := getattr(self, name)) < 0.5:
                raise InputError(f"lam.{name} is {value}: expected a tolerance between 0 and 0.5")
        if self.steps < 1:
            raise InputError(f"lam.steps is {self.steps}: expected at least 1")
        if not self.factor > 1:
            raise InputError(f"lam.factor is {self.factor}: expected more than 1, such as 1.05")
        if not 0 < self.most < math.inf:
            raise InputError(f"lam.most is {self.most}: expected a finite number above 0")

    def choose(self, spectrum: Spectrum, y: Labels) -> float:
        return min(solve(spectrum, y, self.error), self.most)

    def after(
        self,
        step: Count,
        lam: Scalar,
        eigenvalues: Float[Array, " rank"],
        weights: Float[Array, " rank"],
    ) -> Scalar:
        done = jnp.minimum(jnp.asarray(step, lam.dtype) / self.steps, 1)
        target = self.error * (self.last_error / self.error) ** done

        def halve(_: int, bounds: tuple[Scalar, Scalar]) -> tuple[Scalar, Scalar]:
            low, high = bounds
            middle = jnp.sqrt(low * high)
            is_above = jnp.sum(jnp.exp(-2 * middle * eigenvalues) * weights) > target
            return jnp.where(is_above, middle, low), jnp.where(is_above, high, middle)

        # The error falls as lam rises: the answer is between the bounds, or is one of them.
        _, found = jax.lax.fori_loop(0, _HALVINGS, halve, (lam / self.factor, lam * self.factor))
        return jnp.minimum(found, self.most)


def solve(spectrum: Spectrum, y: Labels, error: float) -> float:
    r"""Find $\lambda$ with $\frac1N|D - y|^2$ equal to `error`, by bisection on its logarithm.

    Args:
        spectrum: of the Gram matrix of all rows, whole or as far as the labels see it.
        y: labels, shape (N,).
        error: the value to meet.

    Returns:
        $\lambda$, at least zero; 0 when the error is met before any training.

    Raises:
        InputError: no $\lambda$ meets it, because rows with different labels coincide.
    """
    kappa = np.asarray(spectrum.eigenvalues)
    # The rounding of a zero is no eigenvalue: it would separate rows that coincide, at lam 1e16.
    null = len(y) * np.finfo(kappa.dtype).eps * kappa.max()
    kappa = np.where(kappa > null, kappa, 0).astype(np.float64)
    vectors = np.asarray(spectrum.eigenvectors, np.float64)
    weights = np.square(vectors.T @ np.asarray(y, np.float64)) / len(y)

    def error_at(exponent: float) -> float:
        return float(np.sum(np.exp(-2 * kappa * 2.0**exponent) * weights))

    low, high = -float(_LARGEST_EXPONENT), float(_LARGEST_EXPONENT)
    if weights.sum() <= error:
        return 0.0
    if error_at(high) > error:
        raise InputError(
            f"no lam separates real from generated rows to an error of {error}: the best is "
            f"{error_at(high):.3g}, because rows coincide; ask for a larger error or fix lam"
        )
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if error_at(middle) > error else (low, middle)
    return 2.0**high


def reference_rate(
    rate: float, real: int, points: int, *, learning_rate: float = 0.01, columns: int = 2
) -> float:
    r"""Translate the authors' flag ``--train_t_rate`` into $\lambda$.

    Their time is 65536 times the rate, and their predictor divides by the number of labels:
    $\lambda = \text{learning rate} \cdot t / (N \cdot \text{columns})$, so at a fixed rate
    $\lambda$ falls as the set grows.

    Args:
        rate: the flag's value; their README uses 2 (MNIST, CIFAR-10) and 4 (CelebA).
        real: number of real rows.
        points: number of generated rows.
        learning_rate: their discriminator's.
        columns: label columns: 2 for their one-hot labels.

    Example:
        >>> reference_rate(2, 64, 64)
        5.12
    """
    return learning_rate * 65536 * rate / ((real + points) * columns)
