"""The group of a run's workers: a few methods, with a twin in this process. Layer 6."""

import abc
from typing import Any

from ganntk.config import RunConfig
from ganntk.distributed.ray_session import stay_on_loopback
from ganntk.distributed.worker import Worker


class WorkerGroup(abc.ABC):
    """Workers that are called together; a context that ends what it started."""

    @abc.abstractmethod
    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call one method of every worker, and wait for the results, in order of the workers.

        Raises:
            Exception: what the method raised on a worker, as it was there.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """End the workers, and whatever was started for them."""

    def __enter__(self) -> "WorkerGroup":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class LocalGroup(WorkerGroup):
    """One worker in this process, without Ray: notebooks, tests, machines with one device."""

    def __init__(self, config: RunConfig) -> None:
        self._worker = Worker(config)

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call the worker."""
        return [getattr(self._worker, method)(*arguments)]

    def close(self) -> None:
        """Nothing was started."""


def open_group(config: RunConfig) -> WorkerGroup:
    """The group that the configuration's cluster address asks for."""
    if config.cluster.address == "none":
        return LocalGroup(config)
    if config.cluster.address == "local":
        stay_on_loopback()
    # Imported here: Ray is not needed above, and reads its environment when it is imported.
    from ganntk.distributed.ray_group import RayGroup

    return RayGroup(config)
