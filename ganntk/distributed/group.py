"""The group of a run's workers: a few methods, with a twin in this process. Layer 6."""

import abc
from collections.abc import Sequence
from typing import Any

import jax

from ganntk.config import RunConfig
from ganntk.distributed.ray_session import stay_on_loopback
from ganntk.distributed.shared import ALONE, Shared

Handle = Any
"""A value that a worker gives, or the promise of it; passed to other calls as it is."""


class WorkerGroup(abc.ABC):
    """Workers that are called together; a context that ends what it started.

    A call gives a handle at once. The calls of one worker are carried out in order; a handle among
    the arguments of a call is waited for where the call is carried out, not here.
    """

    size: int
    can_lose_workers: bool = True

    @abc.abstractmethod
    def submit(self, rank: int, method: str, *arguments: Any) -> Handle:
        """Ask one worker for something."""

    @abc.abstractmethod
    def get(self, handles: Sequence[Handle]) -> list[Any]:
        """Wait for values.

        Raises:
            WorkerFailureError: a worker died or hangs, or a value was lost.
            Exception: what a method raised on a worker, as it was there.
        """

    @abc.abstractmethod
    def replace(self, ranks: Sequence[int]) -> None:
        """Start new workers in the place of some: they know nothing yet."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the workers, and whatever was started for them."""

    def put(self, value: Any) -> Handle:
        """A handle of a value, for the arguments of several calls: it travels once."""
        return value

    def map(self, method: str, *arguments: Any) -> list[Handle]:
        """Ask every worker for the same."""
        return [self.submit(rank, method, *arguments) for rank in range(self.size)]

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Ask every worker for the same, and wait; results in the order of the workers."""
        return self.get(self.map(method, *arguments))

    def __enter__(self) -> "WorkerGroup":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class LocalGroup(WorkerGroup):
    """Workers in this process, without Ray: notebooks, tests, machines with one device."""

    can_lose_workers = False

    def __init__(self, worker: type, config: RunConfig, shared: Shared = ALONE) -> None:
        self.size = config.cluster.workers
        self._workers = [worker(config, rank, shared) for rank in range(self.size)]

    def submit(self, rank: int, method: str, *arguments: Any) -> Handle:
        """Call the worker now."""
        return getattr(self._workers[rank], method)(*arguments)

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        """A handle is its value."""
        return list(handles)

    def replace(self, ranks: Sequence[int]) -> None:
        """Nothing in this process is lost without the process."""
        raise AssertionError(f"workers {ranks} of this process cannot be lost")

    def close(self) -> None:
        """Nothing was started."""


def open_group(worker: type, config: RunConfig, shared: Shared = ALONE) -> WorkerGroup:
    """The group that the configuration's cluster address asks for.

    Args:
        worker: the class of the workers, made from the configuration, a rank and `shared`.
        config: the run.
        shared: what this run has in common with others.
    """
    if config.cluster.address == "none":
        return LocalGroup(worker, config, shared)
    if config.cluster.address == "local":
        stay_on_loopback()
    # Imported here: Ray is not needed above, and reads its environment when it is imported.
    from ganntk.distributed.ray_group import RayGroup

    # The devices are the workers': a driver that looked at them would take memory of the first GPU.
    jax.config.update("jax_platforms", "cpu")
    return RayGroup(worker, config, shared)
