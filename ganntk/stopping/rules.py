"""Rules that stop a run, and say which of its steps to keep: functions of what was seen. Layer 2.

Generated rows begin far from every real row and end on the training rows. Somewhere between they
are as near to the training rows as fresh real rows are: `novelty` keeps that step. The
discriminator itself does not tell: it says the same of held-out and of generated rows only when
these are copies.
"""

import abc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from ganntk.data.base import Source
from ganntk.errors import InputError
from ganntk.registry import Registered


class Check(NamedTuple):
    """What was seen at one step.

    Attributes:
        step: optimiser steps taken.
        values: by the name of their series, see `Watch.measure`.
    """

    step: int
    values: Mapping[str, float]


class Verdict(NamedTuple):
    """What a rule says after a check.

    Attributes:
        best: index of the check whose rows to keep, as far as is known.
        reason: why the run is to stop now, or None to go on.
    """

    best: int
    reason: str | None


@dataclass(frozen=True)
class Stopping(Registered, abc.ABC):
    """A rule, and how often it looks.

    Attributes:
        every: steps between two checks; 0 for none.
        held_out: fresh real rows, none of them in the data; None where there are none to spare:
            then each training row is held against the others.
    """

    kind: ClassVar[str] = "stopping rule"
    package: ClassVar[str] = "ganntk.stopping"
    default_name: ClassVar[str | None] = "never"
    _registry: ClassVar[dict[str, type]] = {}

    every: int = 10
    held_out: Source | None = None

    def __post_init__(self) -> None:
        if self.every < 0:
            raise InputError(f"stopping.every is {self.every}: expected at least 0")

    @abc.abstractmethod
    def decide(self, history: Sequence[Check]) -> Verdict:
        """Say which check is the best, and whether to stop.

        Args:
            history: all checks so far, at least one, by rising step.
        """


@Stopping.register("never")
@dataclass(frozen=True)
class Never(Stopping):
    """All steps are taken and the last rows are kept; the run is watched where `every` is not 0."""

    every: int = 0

    def decide(self, history: Sequence[Check]) -> Verdict:
        return Verdict(len(history) - 1, None)


@Stopping.register("novelty")
@dataclass(frozen=True)
class Novelty(Stopping):
    """Stop when generated rows are as near to the training rows as held-out rows are.

    The last check at which they were not nearer is kept, so the rows of the run are no more like
    its training rows than chance makes fresh ones. Where already the first check finds them nearer,
    its rows are all there is: the reason says so, and a smaller `every` finds earlier ones.

    Attributes:
        level: the memorisation score that ends the run: 0.5 for as near as fresh rows, 1 for
            copies.
    """

    level: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.level < 1:
            raise InputError(f"stopping.level is {self.level}: expected a score between 0 and 1")

    def decide(self, history: Sequence[Check]) -> Verdict:
        score = history[-1].values["memorisation"]
        if score <= self.level:
            return Verdict(len(history) - 1, None)
        reason = (
            f"the memorisation score rose to {score:.3g}, above {self.level:g}: generated rows are "
            "nearer to the training rows than held-out rows are"
        )
        if len(history) == 1:
            reason += ", already at the first check: take a smaller stopping.every"
        return Verdict(max(0, len(history) - 2), reason)


@Stopping.register("held_out_distance")
@dataclass(frozen=True)
class HeldOutDistance(Stopping):
    """Keep the step nearest to held-out rows, and stop some checks after it.

    Attributes:
        patience: checks without a smaller distance that end the run.
    """

    patience: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_patience(self.patience)
        if self.held_out is None:
            raise InputError(
                "stopping by held_out_distance needs rows to measure it to: name some that are not "
                "in the data as stopping.held_out, or use novelty"
            )

    def decide(self, history: Sequence[Check]) -> Verdict:
        distances = [check.values["held_out_distance"] for check in history]
        best = distances.index(min(distances))
        if len(history) - 1 - best < self.patience:
            return Verdict(best, None)
        return Verdict(
            best,
            f"the distance to held-out rows has not fallen below {distances[best]:.4g} for "
            f"{self.patience} checks",
        )


@Stopping.register("plateau")
@dataclass(frozen=True)
class Plateau(Stopping):
    """Stop when the loss no longer falls.

    Attributes:
        patience: checks over which the fall is looked at.
        least: the smallest relative fall over them that keeps the run going.
    """

    patience: int = 5
    least: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_patience(self.patience)
        if not (math.isfinite(self.least) and self.least >= 0):
            raise InputError(f"stopping.least is {self.least}: expected at least 0")

    def decide(self, history: Sequence[Check]) -> Verdict:
        losses = [check.values["loss_per_real"] for check in history]
        last = len(history) - 1
        if last < self.patience:
            return Verdict(last, None)
        before, since = min(losses[: -self.patience]), min(losses[-self.patience :])
        if before - since > self.least * abs(before):
            return Verdict(last, None)
        return Verdict(
            last, f"the loss fell by less than {self.least:g} of itself in {self.patience} checks"
        )


def _check_patience(patience: int) -> None:
    if patience < 1:
        raise InputError(f"stopping.patience is {patience}: expected at least 1")
