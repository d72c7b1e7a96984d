"""Workers as Ray actors, each with its own device. Layer 6."""

from contextlib import ExitStack
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from ganntk.config import RunConfig
from ganntk.distributed.group import WorkerGroup
from ganntk.distributed.ray_session import session
from ganntk.distributed.worker import Worker


class RayGroup(WorkerGroup):
    """One actor that owns a GPU, or CPU cores where there is no GPU."""

    def __init__(self, config: RunConfig) -> None:
        self._stack = ExitStack()
        try:
            self._stack.enter_context(session(config.cluster.address))
            self._actors = [_actor(config)]
        except BaseException:
            self._stack.close()
            raise

    def call(self, method: str, *arguments: Any) -> list[Any]:
        """Call every actor and wait."""
        try:
            return ray.get([getattr(actor, method).remote(*arguments) for actor in self._actors])
        except RayTaskError as error:
            # The error as it was on the worker: callers act on its type and its sentence.
            raise error.cause from error
        except RayActorError as error:
            raise RuntimeError(
                f"the worker died in {method} ({' '.join(str(error).split())[:300]}): see Ray's "
                "logs; out of memory is the usual cause, which a smaller memory_bytes cures"
            ) from error

    def close(self) -> None:
        """End the actors, and the Ray that was started for them."""
        for actor in self._actors:
            ray.kill(actor)
        self._stack.close()


def _actor(config: RunConfig) -> Any:
    cluster = config.cluster
    gpus = cluster.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if ray.cluster_resources().get("GPU", 0) else 0.0
    remote = ray.remote(num_cpus=cluster.cpus_per_worker, num_gpus=gpus)(Worker)
    return remote.remote(config)
