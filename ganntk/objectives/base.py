"""What an objective is: targets for the discriminator, a number from its predictions. Layer 2."""

import abc
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.registry import Registered
from ganntk.typing import Labels, Scalar


class LossAndSlope(NamedTuple):
    """The objective and its derivative by the predictions."""

    loss: Scalar
    slope: Float[Array, "rows targets"]


class Starts(NamedTuple):
    """Columns whose images under functions of K are wanted.

    Attributes:
        columns: their span holds the labels and the targets.
        hold_slope: whether it holds dL/dF as well, up to a function of K applied to itself.
    """

    columns: Float[Array, "rows starts"]
    hold_slope: bool


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

    def starts(self, y: Labels) -> Starts:
        """Where a solver by products begins, before any prediction is known.

        The slope of a general objective is known once F is, and then a second run starts from it.
        An objective whose slope is a combination of F and columns that are known beforehand says
        so here, and one run serves both.
        """
        return Starts(jnp.column_stack([y, self.targets(y)]), hold_slope=False)
