"""What to do when something of a cluster fails: one pure function. Layer 6."""

import enum
from dataclasses import dataclass


class Failure(enum.Enum):
    """What happened, as far as the driver can tell."""

    WORKER_LOST = "a worker died"
    WORKER_HANGS = "a worker did not answer in time"
    OBJECT_LOST = "a value between workers was lost"


class Decision(enum.Enum):
    """What the driver does about it."""

    RETRY = "call again"
    REPLACE_WORKER = "start another worker, restore the last snapshot, replay"
    RESTORE = "restore the last snapshot, replay"
    RAISE = "end the run"


@dataclass(frozen=True)
class Event:
    """One failure in its circumstances.

    Attributes:
        failure: what happened.
        is_started: whether a snapshot exists; before, there is nothing to lose.
        failures: how many there were since the run last got further, this one included.
        limit: how many are put up with.
    """

    failure: Failure
    is_started: bool
    failures: int
    limit: int


def decide(event: Event) -> Decision:
    """Choose what brings the run on, up to the limit.

    Errors of the program are no failures: a group raises them as they were.
    """
    if event.failures > event.limit:
        return Decision.RAISE
    if event.failure in (Failure.WORKER_LOST, Failure.WORKER_HANGS):
        return Decision.REPLACE_WORKER
    return Decision.RESTORE if event.is_started else Decision.RETRY


class WorkerFailureError(RuntimeError):
    """A call to the workers failed for a reason that is not in the program.

    Args:
        failure: what happened.
        sentence: for a person.
        ranks: the workers that are lost.
    """

    def __init__(self, failure: Failure, sentence: str, ranks: tuple[int, ...] = ()) -> None:
        super().__init__(sentence)
        self.failure = failure
        self.ranks = ranks
