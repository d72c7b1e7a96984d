"""Values that the trials of a sweep have in common, in Ray's object store. Layer 7.

One trial computes a value, the others wait for it; then it is one copy a node, read without copying
by every process there. The pool's actor owns the values, so they outlive the trial that made them.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import ray
from ray.exceptions import ObjectLostError, OutOfMemoryError, RayActorError

from ganntk.distributed.shared import Shared

T = TypeVar("T")

_MOST_VALUES = 256
_PATIENCE_SECONDS = 120.0
"""A maker that has not delivered for so long is taken as lost, and the next one makes the value."""

_LOST = (RayActorError, ObjectLostError, OutOfMemoryError)
"""What Ray raises where the pool's process, or a value with it, is gone."""


class Pool:
    """The actor that knows which values there are, and who makes those that are not there yet."""

    def __init__(self) -> None:
        self._refs: OrderedDict[str, Any] = OrderedDict()
        self._making: dict[str, asyncio.Event] = {}
        self._makers: dict[str, str] = {}
        self.counts = {"made": 0, "found": 0}

    async def take(self, key: str, maker: str) -> list[Any]:
        """The value's reference in a list; an empty one asks the caller to make the value.

        Args:
            key: of the value.
            maker: who asks: one that asks again, after its process was lost, makes it again.
        """
        while key not in self._refs:
            event = self._making.get(key)
            if event is None or self._makers[key] == maker:
                self._making[key], self._makers[key] = event or asyncio.Event(), maker
                self.counts["made"] += 1
                return []
            try:
                await asyncio.wait_for(event.wait(), _PATIENCE_SECONDS)
            except TimeoutError:
                self._making.pop(key, None)
        self.counts["found"] += 1
        self._refs.move_to_end(key)
        return [self._refs[key]]

    async def give(self, key: str, *made: Any) -> None:
        """Keep a value, and wake those who wait; no value says that it could not be made."""
        if made:
            # Put here, because a value ends with the process that put it.
            self._refs[key] = ray.put(made[0])
            if len(self._refs) > _MOST_VALUES:
                self._refs.popitem(last=False)
        if (event := self._making.pop(key, None)) is not None:
            event.set()

    async def numbers(self) -> dict[str, int]:
        """How many values were made, and how often one was found."""
        return self.counts


class Pooled(Shared):
    """What a trial sees of the pool.

    Args:
        pool: the actor's handle.
        maker: name of the trial, where it has one process only: the pool then knows at once that
            an earlier process of it was lost. None where it has several.
    """

    def __init__(self, pool: Any, maker: str | None) -> None:
        self._pool, self._maker = pool, maker

    def value(self, key: str, make: Callable[[], T]) -> T:
        """See `Shared`; what `make` raises is raised here, and the next trial tries again."""
        found = self._found(key)
        if found:
            return found[0]
        try:
            made = make()
        except BaseException:
            self._give(key)
            raise
        self._give(key, made)
        return made

    def _found(self, key: str) -> list[Any]:
        """The value in a list, empty where it is to be made: nobody has, or it was lost."""
        maker = self._maker or ray.get_runtime_context().get_worker_id()
        with contextlib.suppress(*_LOST):
            # In a list, because Ray waits for a reference that is returned as it is.
            return ray.get(ray.get(self._pool.take.remote(key, maker)))
        return []

    def _give(self, key: str, *made: Any) -> None:
        with contextlib.suppress(*_LOST):
            ray.get(self._pool.give.remote(key, *made))


def start() -> Any:
    """Start the pool's actor, which takes no CPU; it ends when its handle is forgotten.

    Where its process is lost, another one takes its place with nothing in it.
    """
    remote: Any = ray.remote  # its annotations do not know these options
    options = {"num_cpus": 0, "max_concurrency": 1000}
    return remote(**options, max_restarts=-1, max_task_retries=-1)(Pool).remote()


def end(pool: Any) -> dict[str, int]:
    """End the actor; what its last process counted, nothing where none answers."""
    counts: Any = {"made": 0, "found": 0}
    with contextlib.suppress(*_LOST):
        counts = ray.get(pool.numbers.remote())
    ray.kill(pool)
    return counts
