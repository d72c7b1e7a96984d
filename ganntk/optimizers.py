"""Optimisers of the generated rows: optax's own, by name. Layer 2."""

import functools
import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import optax

from ganntk.errors import InputError
from ganntk.registry import unknown_name

# Its update asks for the objective's value and for more evaluations of it.
_NO_OPTIMIZERS = ("lbfgs",)


@dataclass(frozen=True)
class Optimizer:
    """One of optax's optimisers with its arguments.

    Args:
        name: a function of optax, such as adam, sgd, rmsprop, lion.
        learning_rate: step, in units of a pixel for adam, and of pixel per gradient for sgd.
        arguments: further arguments of that function, such as ``{b1: 0.5}``.
    """

    name: str = "adam"
    learning_rate: float = 0.02
    arguments: Mapping[str, float] = field(default_factory=dict)

    def build(self) -> optax.GradientTransformation:
        """The optimiser as optax's pair of functions.

        Raises:
            InputError: optax has no such optimiser, or it takes no such argument.
        """
        known = known_optimizers()
        if self.name not in known:
            raise unknown_name("optimizer", self.name, known)
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(
                f"optimizer.learning_rate is {self.learning_rate}: expected a positive number"
            )
        return _built(self.name, self.learning_rate, tuple(sorted(self.arguments.items())))


@functools.cache
def _built(
    name: str, learning_rate: float, arguments: tuple[tuple[str, float], ...]
) -> optax.GradientTransformation:
    """The same pair for equal arguments: what is compiled for one serves the other."""
    make = getattr(optax, name)
    try:
        return make(learning_rate, **dict(arguments))
    except TypeError as error:
        accepted = list(inspect.signature(make).parameters)
        raise InputError(
            f"optimizer {name} cannot take {dict(arguments)}: its arguments are "
            f"{', '.join(accepted)}"
        ) from error


def known_optimizers() -> list[str]:
    """Names of optax's functions that take a learning rate first and give an optimiser."""
    names = []
    for name in dir(optax):
        function = getattr(optax, name)
        if name in _NO_OPTIMIZERS or name.startswith(("_", "scale_by_")):
            continue
        if not inspect.isfunction(function):
            continue
        if next(iter(inspect.signature(function).parameters), None) == "learning_rate":
            names.append(name)
    return names
