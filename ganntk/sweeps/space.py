"""What a sweep varies: parameters over dotted configuration keys. Layer 7, without Ray.

A parameter draws from its own stream of random numbers, which depends on the sweep's seed, on the
number of the trial and on the key alone: trial 7 is the same whichever trials came before it.
"""

import abc
import itertools
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from ganntk.errors import InputError
from ganntk.registry import Registered

Values = Mapping[str, Any]
"""Dotted configuration key -> plain value of YAML."""


class Suggestions(Protocol):
    """What Optuna's trial offers, as far as a parameter asks it."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number of an interval."""
        ...

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """One of some values."""


@dataclass(frozen=True)
class Parameter(Registered, abc.ABC):
    """One key that a sweep varies.

    Attributes:
        when: other keys and the values that they must have for this one to be there, such as
            ``{kernel: [rbf]}``; empty for always.
    """

    kind: ClassVar[str] = "parameter"
    package: ClassVar[str] = "ganntk.sweeps.space"
    _registry: ClassVar[dict[str, type]] = {}

    when: dict[str, list[Any]] = field(default_factory=dict)

    @abc.abstractmethod
    def draw(self, random: np.random.Generator) -> Any:
        """A value at random."""

    @abc.abstractmethod
    def suggest(self, key: str, trial: Suggestions) -> Any:
        """A value that Optuna suggests."""

    @property
    def values(self) -> Sequence[Any] | None:
        """All values where they can be counted, for a grid."""
        return None

    def is_asked_for(self, chosen: Values) -> bool:
        """Whether the values chosen so far let this parameter be there."""
        return all(key in chosen and chosen[key] in each for key, each in self.when.items())


@Parameter.register("choice")
@dataclass(frozen=True)
class Choice(Parameter):
    """One of some values: words, numbers, or mappings such as a whole kernel.

    Attributes:
        among: the values, at least one.
    """

    among: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.among:
            raise InputError("a choice has no values: list them as among: [one, other]")

    def draw(self, random: np.random.Generator) -> Any:
        return self.among[int(random.integers(len(self.among)))]

    def suggest(self, key: str, trial: Suggestions) -> Any:
        # Optuna takes words and numbers only, and the index serves any value.
        return self.among[trial.suggest_categorical(key, list(range(len(self.among))))]

    @property
    def values(self) -> Sequence[Any]:
        return self.among


@dataclass(frozen=True)
class _Interval(Parameter):
    """A number between two others, `steps` of them in a grid; 0 for none."""

    low: float = math.nan
    high: float = math.nan
    steps: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(
                f"an interval goes from {self.low} to {self.high}: expected low and high, finite, "
                "the first below the second"
            )
        if self.steps < 0 or self.steps == 1:
            raise InputError(f"steps is {self.steps}: expected at least 2 values for a grid")


@Parameter.register("uniform")
@dataclass(frozen=True)
class Uniform(_Interval):
    """A number between `low` and `high`.

    Attributes:
        low: the smallest.
        high: the largest.
        steps: how many a grid takes, evenly; 0 where no grid is searched.
    """

    def draw(self, random: np.random.Generator) -> float:
        return float(random.uniform(self.low, self.high))

    def suggest(self, key: str, trial: Suggestions) -> float:
        return trial.suggest_float(key, self.low, self.high)

    @property
    def values(self) -> Sequence[float] | None:
        return np.linspace(self.low, self.high, self.steps).tolist() if self.steps else None


@Parameter.register("log_uniform")
@dataclass(frozen=True)
class LogUniform(_Interval):
    """A number between `low` and `high`, uniform in its logarithm.

    Attributes:
        low: the smallest, above 0.
        high: the largest.
        steps: how many a grid takes, in even ratios; 0 where no grid is searched.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low <= 0:
            raise InputError(f"low is {self.low}: a logarithm needs more than 0; take uniform")

    def draw(self, random: np.random.Generator) -> float:
        return float(math.exp(random.uniform(math.log(self.low), math.log(self.high))))

    def suggest(self, key: str, trial: Suggestions) -> float:
        return trial.suggest_float(key, self.low, self.high, log=True)

    @property
    def values(self) -> Sequence[float] | None:
        return np.geomspace(self.low, self.high, self.steps).tolist() if self.steps else None


Space = Mapping[str, Parameter]
"""Parameters by their key; one that depends on another stands after it."""


def check(space: Space) -> None:
    """Refuse a space without parameters, or with one that depends on a later one.

    Raises:
        InputError: as said.
    """
    if not space:
        raise InputError("space is empty: name at least one key to vary, such as lam.value")
    seen: set[str] = set()
    for key, parameter in space.items():
        if missing := sorted(set(parameter.when) - seen):
            raise InputError(
                f"space.{key} depends on {', '.join(missing)}, which is not in the space before "
                "it: put it there"
            )
        seen.add(key)


def draw(space: Space, *, seed: int, number: int) -> dict[str, Any]:
    """The values of one trial of a random search; see the module for what they depend on."""
    chosen: dict[str, Any] = {}
    for key, parameter in space.items():
        if parameter.is_asked_for(chosen):
            random = np.random.default_rng([seed, number, zlib.crc32(key.encode())])
            chosen[key] = parameter.draw(random)
    return chosen


def suggest(space: Space, trial: Suggestions) -> dict[str, Any]:
    """The values that Optuna suggests."""
    chosen: dict[str, Any] = {}
    for key, parameter in space.items():
        if parameter.is_asked_for(chosen):
            chosen[key] = parameter.suggest(key, trial)
    return chosen


def grid(space: Space) -> list[dict[str, Any]]:
    """Every combination of values, those that differ in a late key next to one another.

    Raises:
        InputError: a parameter's values cannot be counted.
    """
    counted = {}
    for key, parameter in space.items():
        if (values := parameter.values) is None:
            raise InputError(
                f"space.{key} is an interval, and a grid needs values: give it steps, or take "
                "a choice, or another searcher"
            )
        counted[key] = values
    found = list(_combinations(space, counted))
    unique = {repr(each): each for each in found}
    return list(unique.values())


def _combinations(space: Space, counted: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*counted.values()):
        chosen: dict[str, Any] = {}
        for (key, parameter), value in zip(space.items(), values, strict=True):
            if parameter.is_asked_for(chosen):
                chosen[key] = value
        yield chosen
