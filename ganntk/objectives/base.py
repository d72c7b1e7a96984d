"""What an objective is: targets for the discriminator, a number from its predictions. Layer 2."""

import abc
from typing import ClassVar, NamedTuple

from jaxtyping import Array, Float

from ganntk.registry import Registered
from ganntk.typing import Labels, Scalar


class LossAndSlope(NamedTuple):
    """The objective and its derivative by the predictions."""

    loss: Scalar
    slope: Float[Array, "rows targets"]


class Objective(Registered, abc.ABC):
    r"""A generator's objective as a function of the predictions $F = (I - e^{-\lambda K})Y$.

    Adding one is adding a file to `ganntk.objectives` with a frozen dataclass that registers
    itself.
    """

    kind = "objective"
    package = "ganntk.objectives"
    default_name = "squared_error"
    _registry: ClassVar[dict[str, type]] = {}

    @abc.abstractmethod
    def targets(self, y: Labels) -> Float[Array, "rows targets"]:
        """The columns Y that the discriminator is fitted to, from labels 1 (real) and 0."""

    @abc.abstractmethod
    def loss_and_slope(self, predictions: Float[Array, "rows targets"]) -> LossAndSlope:
        """The objective L and dL/dF at predictions F of the targets' shape."""
