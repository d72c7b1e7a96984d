"""When to save and what to keep: values and one pure function. Layer 4."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from ganntk.errors import InputError


@dataclass(frozen=True)
class Checkpoints:
    """When a run saves its state, and which checkpoints stay.

    Attributes:
        every: steps between two checkpoints; 0 for the end of the run alone.
        seconds: a temporary one besides, after so long without; it goes once the next is there.
            0 for none.
        keep: the newest so many stay.
        keep_every: and those whose step is a multiple of this; 0 for none.
        staging: a local folder for files on their way; None for the system's temporary folder. It
            takes the size of one checkpoint.
        lease_seconds: a writer that has not been heard of for so long has ended.
    """

    every: int = 100
    seconds: float = 0.0
    keep: int = 2
    keep_every: int = 0
    staging: str | None = None
    lease_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("every", "keep_every"):
            if (value := getattr(self, name)) < 0:
                raise InputError(f"checkpoints.{name} is {value}: expected at least 0")
        if self.keep < 1:
            raise InputError(f"checkpoints.keep is {self.keep}: expected at least 1")
        if not 0 <= self.seconds < math.inf:
            raise InputError(
                f"checkpoints.seconds is {self.seconds}: expected a finite number of at least 0"
            )
        if not 1 <= self.lease_seconds < math.inf:
            raise InputError(
                f"checkpoints.lease_seconds is {self.lease_seconds}: expected at least 1"
            )

    def until_due(self, step: int) -> int | None:
        """Steps from `step` to the next checkpoint; None when only the end has one."""
        return self.every - step % self.every if self.every else None


def superseded(
    committed: Iterable[tuple[int, bool]], *, keep: int, keep_every: int = 0
) -> list[int]:
    """Which checkpoints have had their time.

    Args:
        committed: step of each, and whether it is temporary.
        keep: the newest so many others stay.
        keep_every: steps that are multiples of this stay; 0 for none.

    Returns:
        Steps in order. The newest of all is never among them.

    Example:
        >>> superseded([(10, False), (20, False), (25, True), (30, False)], keep=2)
        [10, 25]
    """
    found = sorted(committed)
    if not found:
        return []
    newest = found[-1][0]
    lasting = [step for step, is_temporary in found if not is_temporary]
    staying = {newest, *lasting[-keep:]}
    if keep_every:
        staying |= {step for step in lasting if step % keep_every == 0}
    return [step for step, _ in found if step not in staying]
