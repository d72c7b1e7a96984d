"""The discriminators of the paper and of its authors' code, by name. Layer 2.

Widths and numbers of outputs do not enter a kernel; variances are 1.4615 and 0.1 on every layer
unless said otherwise. Sources: Zhang et al. 2022, supplement Tables 1, 2, 3 and 5.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.kernels.base import Kernel
from ganntk.kernels.layers import (
    BIAS_VARIANCE,
    WEIGHT_VARIANCE,
    Conv,
    Dense,
    Erf,
    Flatten,
    Layer,
    Relu,
)
from ganntk.kernels.network import Network
from ganntk.registry import unknown_name
from ganntk.typing import Block, Rows

_Stack = Callable[[float, float], list[Layer]]


def _dense(count: int, nonlinearity: Layer) -> _Stack:
    """Flattened rows, `count` hidden layers, a readout."""
    return lambda w, b: [Flatten(), *[Dense(w, b), nonlinearity] * count, Dense(w, b)]


def _strided(count: int, *, hidden: int = 0) -> _Stack:
    """`count` 4 x 4 convolutions of stride 2, flattened, `hidden` dense layers, a readout."""

    def stack(w: float, b: float) -> list[Layer]:
        convolutions = [Conv((4, 4), (2, 2), "SAME", w, b), Relu()] * count
        return [*convolutions, Flatten(), *[Dense(w, b), Relu()] * hidden, Dense(w, b)]

    return stack


def _small_filters(groups: int) -> _Stack:
    """A 7 x 7 and two 3 x 3 convolutions, then `groups` of three 3 x 3, each ending in stride 2."""

    def stack(w: float, b: float) -> list[Layer]:
        specs = [(7, 1), (3, 1), (3, 2)] + [(3, 1), (3, 1), (3, 2)] * groups
        layers: list[Layer] = []
        for width, stride in specs:
            layers += [Conv((width, width), (stride, stride), "SAME", w, b), Relu()]
        return [*layers, Flatten(), Dense(w, b)]

    return stack


ARCHITECTURES: dict[str, _Stack] = {
    "fnn": _dense(2, Relu()),
    "fnn-4": _dense(3, Relu()),
    "fnn-16": _dense(15, Relu()),
    "fnn-erf": _dense(4, Erf()),
    "cnn-small": _strided(2),
    "cnn-mnist": _strided(2, hidden=1),
    "cnn-cifar10": _strided(3),
    "cnn-celeba": _strided(4),
    "cnn-imagenet": _strided(6),
    "cnn-4": _small_filters(0),
    "cnn-16": _small_filters(4),
}
"""Name -> the stack for given weight and bias variances."""

ALIASES = {"cnn": "cnn-celeba", "cnn-medium": "cnn-celeba", "cnn-big": "cnn-imagenet"}
"""The names of the authors' code and of the supplement's Table 5."""


def named(
    name: str,
    *,
    weight_variance: float = WEIGHT_VARIANCE,
    bias_variance: float = BIAS_VARIANCE,
) -> Network:
    """Build one of the paper's kernels.

    Args:
        name: a key of `ARCHITECTURES` or of `ALIASES`.
        weight_variance: variance of every layer's weights, positive.
        bias_variance: variance of every layer's biases, at least zero.

    Raises:
        InputError: the name is not known, with the nearest known names.

    Example:
        >>> len(named("cnn-mnist").layers)
        8
    """
    stack = ARCHITECTURES.get(ALIASES.get(name, name))
    if stack is None:
        raise unknown_name("kernel", name, [*ARCHITECTURES, *ALIASES])
    if not (weight_variance > 0 and bias_variance >= 0):
        raise InputError(
            f"weight variance {weight_variance} and bias variance {bias_variance}: expected a "
            "positive and a non-negative number"
        )
    return Network(tuple(stack(weight_variance, bias_variance)))


@Kernel.register("named")
@dataclass(frozen=True)
class Named(Kernel):
    """One of the paper's kernels, as a configuration names it; see `named`."""

    name: str = "cnn-mnist"
    weight_variance: float = WEIGHT_VARIANCE
    bias_variance: float = BIAS_VARIANCE

    def __post_init__(self) -> None:
        # Built at once, so that a wrong name is refused where it was written.
        self.network  # noqa: B018

    def __call__(self, x1: Rows, x2: Rows) -> Block:
        return self.network(x1, x2)

    def diagonal(self, x: Rows) -> Float[Array, " rows"]:
        return self.network.diagonal(x)

    def bytes_per_pair(self, row_shape: tuple[int, ...], itemsize: int) -> int:
        return self.network.bytes_per_pair(row_shape, itemsize)

    @functools.cached_property
    def network(self) -> Network:
        """The stack of layers."""
        return named(
            self.name, weight_variance=self.weight_variance, bias_variance=self.bias_variance
        )
