r"""Noise on the gradient or on the points: constant, or fading with the steps. Layer 2.

Normal numbers are added to the gradient before the optimiser sees it, or to the points after it has
moved them, new ones in every step. Those of a row depend on the seed, the step and the row's own
number alone: not on the worker that owns it, and not on how often a run was interrupted.
"""

import abc
import functools
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from ganntk.errors import InputError
from ganntk.registry import Registered
from ganntk.typing import Count, Scalar

Where = Literal["gradient", "points"]
"""What noise is added to."""

# A purpose of random numbers, beside those of `synthesis`, `batches` and `generation`.
_NOISE = 6


class NoiseState(NamedTuple):
    """What is remembered between steps.

    Attributes:
        step: steps taken.
        row: the number of each row of each array, shaped to broadcast against the array.
    """

    step: Count
    row: Any


class Noise(Registered, abc.ABC):
    """How much noise there is in each step."""

    kind: ClassVar[str] = "noise"
    package: ClassVar[str] = "ganntk.noise"
    default_name: ClassVar[str | None] = "none"
    _registry: ClassVar[dict[str, type]] = {}
    on: Where = "gradient"

    @abc.abstractmethod
    def deviation(self, step: Count) -> Scalar | float:
        """Standard deviation of the noise on each entry.

        Args:
            step: steps taken before.
        """

    def around(
        self, optimizer: optax.GradientTransformation, seed: int
    ) -> optax.GradientTransformation:
        """The optimiser with the noise; the same object for the same arguments."""
        return _chained(self, optimizer, seed)


@Noise.register("none")
@dataclass(frozen=True)
class NoNoise(Noise):
    """The gradient as it is."""

    def deviation(self, step: Count) -> float:
        return 0.0

    def around(
        self, optimizer: optax.GradientTransformation, seed: int
    ) -> optax.GradientTransformation:
        return optimizer


@Noise.register("static")
@dataclass(frozen=True)
class StaticNoise(Noise):
    """The same in every step.

    Attributes:
        scale: standard deviation, in units of what it is added to.
        on: the gradient before the optimiser, or the points after it.
    """

    scale: float
    on: Where = "gradient"

    def __post_init__(self) -> None:
        _check("scale", self.scale, 0, math.inf)

    def deviation(self, step: Count) -> float:
        return self.scale


@Noise.register("exponential")
@dataclass(frozen=True)
class ExponentialNoise(Noise):
    r"""$\text{scale} \cdot \text{rate}^t$ after t steps.

    Attributes:
        scale: standard deviation in the first step, in units of what it is added to.
        rate: of one step, between 0 and 1.
        on: the gradient before the optimiser, or the points after it.
    """

    scale: float
    rate: float = 0.99
    on: Where = "gradient"

    def __post_init__(self) -> None:
        _check("scale", self.scale, 0, math.inf)
        _check("rate", self.rate, 0, 1)

    def deviation(self, step: Count) -> Scalar:
        return self.scale * self.rate ** jnp.asarray(step, jnp.float32)


@Noise.register("annealed")
@dataclass(frozen=True)
class AnnealedNoise(Noise):
    r"""$\text{scale} \cdot (1 + t)^{-\text{power}}$ after t steps.

    Attributes:
        scale: standard deviation in the first step, in units of what it is added to.
        power: positive; 0.55 is customary for noise on gradients.
        on: the gradient before the optimiser, or the points after it.
    """

    scale: float
    power: float = 0.55
    on: Where = "gradient"

    def __post_init__(self) -> None:
        _check("scale", self.scale, 0, math.inf)
        _check("power", self.power, 0, math.inf)

    def deviation(self, step: Count) -> Scalar:
        return self.scale * (1 + jnp.asarray(step, jnp.float32)) ** -self.power


def numbered(state: optax.OptState, first: int) -> optax.OptState:
    """The state of an optimiser whose rows begin with another number than 0.

    Several sets of rows with one seed have noise of their own by it.
    """

    def moved(part: Any) -> Any:
        if not isinstance(part, NoiseState):
            return part
        return part._replace(row=jax.tree.map(lambda row: row + first, part.row))

    return jax.tree.map(moved, state, is_leaf=lambda part: isinstance(part, NoiseState))


@functools.cache
def _chained(
    noise: Noise, optimizer: optax.GradientTransformation, seed: int
) -> optax.GradientTransformation:
    def init(params: Any) -> NoiseState:
        return NoiseState(jnp.zeros((), jnp.int32), jax.tree.map(_rows, params))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, NoiseState]:
        root = jax.random.fold_in(jax.random.key(seed), _NOISE)
        key, deviation = jax.random.fold_in(root, state.step), noise.deviation(state.step)
        leaves, structure = jax.tree.flatten(updates)
        rows = jax.tree.leaves(state.row)
        keys = [jax.random.fold_in(key, i) for i in range(len(leaves))]
        drawn = [_normal(*each) for each in zip(keys, rows, map(jnp.shape, leaves), strict=True)]
        with_noise = [
            leaf + jnp.asarray(deviation * normal, leaf.dtype)
            for leaf, normal in zip(leaves, drawn, strict=True)
        ]
        return jax.tree.unflatten(structure, with_noise), state._replace(step=state.step + 1)

    noisy = optax.GradientTransformation(init, update)
    # What an optimiser gives is what the points are moved by.
    return optax.chain(*((optimizer, noisy) if noise.on == "points" else (noisy, optimizer)))


def _rows(leaf: Array) -> Int[Array, "..."]:
    """Numbers of the rows of an array, of the array's dimension."""
    if leaf.ndim == 0:
        return jnp.zeros((), jnp.int32)
    return jnp.arange(len(leaf), dtype=jnp.int32).reshape(-1, *[1] * (leaf.ndim - 1))


def _normal(key: Array, row: Int[Array, "..."], shape: tuple[int, ...]) -> Array:
    """Normal numbers, each row's by its own number."""

    def one(number: Count) -> Array:
        return jax.random.normal(jax.random.fold_in(key, number), shape[1:], jnp.float32)

    return jax.vmap(one)(row.reshape(-1)).reshape(shape)


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        expected = "a positive number" if high == math.inf else f"more than {low}, less than {high}"
        raise InputError(f"noise.{name} is {value}: expected {expected}")
