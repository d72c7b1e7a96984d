"""What a sweep tries: values of keys, some only where others have a value. Layer 6."""

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ganntk.errors import InputError

Values = dict[str, Any]
"""Dotted configuration key -> value."""

Kind = Literal["choice", "uniform", "log_uniform", "integer"]


@dataclass(frozen=True)
class Parameter:
    """One key of the configuration.

    Attributes:
        key: dotted.
        kind: ``choice`` of listed values; ``uniform``, ``log_uniform`` or ``integer`` between two.
        values: the listed ones, or both ends.
        when: keys that must have these values; earlier ones of the space.
    """

    key: str
    kind: Kind
    values: tuple[Any, ...]
    when: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind == "choice":
            if not self.values:
                raise InputError(f"space.{self.key} has no values: list at least one")
            return
        if not (
            len(self.values) == 2
            and all(isinstance(end, int | float) and math.isfinite(end) for end in self.values)
            and self.values[0] < self.values[1]
        ):
            raise InputError(
                f"space.{self.key} is {self.kind}: {list(self.values)}: expected two numbers, the "
                "smaller first"
            )
        if self.kind == "log_uniform" and self.values[0] <= 0:
            raise InputError(f"space.{self.key} is log_uniform from {self.values[0]}: not positive")

    def is_active(self, chosen: Mapping[str, Any]) -> bool:
        """Whether its condition holds."""
        return all(chosen.get(key) == value for key, value in self.when.items())

    def draw(self, numbers: np.random.Generator) -> Any:
        """A random value."""
        if self.kind == "choice":
            return self.values[int(numbers.integers(len(self.values)))]
        low, high = self.values
        if self.kind == "integer":
            return int(numbers.integers(low, high + 1))
        if self.kind == "uniform":
            return float(numbers.uniform(low, high))
        return float(math.exp(numbers.uniform(math.log(low), math.log(high))))


@dataclass(frozen=True)
class Space:
    """Parameters in the order in which they are chosen."""

    parameters: tuple[Parameter, ...]

    def draw(self, seed: int, number: int) -> Values:
        """The random values of one trial: the same whatever came before it."""
        numbers = np.random.default_rng([seed, number])
        chosen: Values = {}
        for parameter in self.parameters:
            value = parameter.draw(numbers)  # also where it is not used: others stay as they are
            if parameter.is_active(chosen):
                chosen[parameter.key] = value
        return chosen

    def grid(self) -> list[Values]:
        """Every combination of the listed values, once.

        Raises:
            InputError: a parameter has a range.
        """
        for parameter in self.parameters:
            if parameter.kind != "choice":
                raise InputError(
                    f"space.{parameter.key} has a range, and a grid needs listed values: list "
                    "some, or take searcher: random"
                )
        found: list[Values] = []
        for combination in itertools.product(*(each.values for each in self.parameters)):
            chosen: Values = {}
            for parameter, value in zip(self.parameters, combination, strict=True):
                if parameter.is_active(chosen):
                    chosen[parameter.key] = value
            if chosen not in found:
                found.append(chosen)
        return found


def parse(raw: Any) -> Space:
    """The space that a mapping in YAML describes.

    Args:
        raw: dotted key -> list of values, or ``{log_uniform: [low, high], when: {key: value}}``.

    Raises:
        InputError: something else stands there.
    """
    if not isinstance(raw, Mapping) or not raw:
        raise InputError(f"space is {raw!r}: expected configuration keys with what to try of each")
    found: list[Parameter] = []
    for key, given in raw.items():
        found.append(_parameter(str(key), given))
        for other in found[-1].when:
            if other not in {each.key for each in found[:-1]}:
                raise InputError(
                    f"space.{key} depends on {other}, which does not stand before it: move it up"
                )
    return Space(tuple(found))


def _parameter(key: str, given: Any) -> Parameter:
    if isinstance(given, list):
        return Parameter(key, "choice", tuple(given))
    if not isinstance(given, Mapping):
        raise InputError(f"space.{key} is {given!r}: expected a list of values, or a range")
    left = dict(given)
    when = left.pop("when", {})
    if len(left) != 1 or not isinstance(when, Mapping):
        raise InputError(
            f"space.{key} has {sorted(map(str, given))}: expected one of choice, uniform, "
            "log_uniform and integer, and perhaps when"
        )
    (kind, values), *_ = left.items()
    kind = "choice" if kind == "grid" else kind
    if kind not in ("choice", "uniform", "log_uniform", "integer") or not isinstance(values, list):
        raise InputError(
            f"space.{key} is {kind}: {values!r}: expected choice, uniform, log_uniform or integer "
            "with a list"
        )
    return Parameter(key, kind, tuple(values), dict(when))


def words(values: Mapping[str, Any]) -> list[str]:
    """The options of a command line that set the values."""
    return [word for key, value in values.items() for word in (f"--{key}", json.dumps(value))]
