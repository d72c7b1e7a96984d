"""Workers as Ray actors, each with its own device. Layer 6."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import ray
from ray.exceptions import (
    GetTimeoutError,
    ObjectLostError,
    RayActorError,
    RayError,
    RayTaskError,
)
from ray.util.placement_group import (
    PlacementGroup,
    get_current_placement_group,
    placement_group,
    remove_placement_group,
)
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from ganntk.config import Cluster, RunConfig
from ganntk.distributed.group import Handle, WorkerGroup
from ganntk.distributed.ray_session import session
from ganntk.distributed.recovery import Failure, WorkerFailureError
from ganntk.distributed.shared import ALONE, Shared
from ganntk.errors import InputError

_PING_SECONDS = 10.0
# Answered beside the other calls: a worker that waits for another's values is well.
_HEALTH = "health"
# A worker's XLA takes this share of its part of a GPU; the rest is for CUDA itself.
_GPU_SHARE = 0.9


class RayGroup(WorkerGroup):
    """Actors in one placement group, each with a GPU, or with CPU cores where there is none.

    The group is the one that this process is in, as a trial of a sweep, from its second bundle on;
    otherwise a new one.
    """

    def __init__(self, worker: type, config: RunConfig, shared: Shared = ALONE) -> None:
        self.size = config.cluster.workers
        self._worker, self._config, self._shared = worker, config, shared
        self._stack = ExitStack()
        try:
            self._stack.enter_context(session(config.cluster.address))
            self._bundle = bundle_of(config.cluster)
            own = get_current_placement_group()
            self._first = 0 if own is None else 1
            self._placement = own or self._reserve(config.cluster)
            self._actors = [self._start(rank) for rank in range(self.size)]
        except BaseException:
            self._stack.close()
            raise

    def submit(self, rank: int, method: str, *arguments: Any) -> Handle:
        """Queue the call."""
        return getattr(self._actors[rank], method).remote(*arguments)

    def put(self, value: Any) -> Handle:
        """Into the object store of this node."""
        return ray.put(value)

    def get(self, handles: Sequence[Handle]) -> list[Any]:
        """Wait for all, at most as long as the cluster's timeout without any answer."""
        waiting, timeout = list(handles), self._config.cluster.timeout_seconds
        try:
            while waiting:
                done, waiting = ray.wait(waiting, timeout=timeout)
                if not done:
                    raise self._failed(Failure.WORKER_HANGS, f"no answer in {timeout:g} s")
                ray.get(done)
            return ray.get(list(handles))
        except RayTaskError as error:
            if isinstance(error.cause, RayError):
                raise self._failed(Failure.OBJECT_LOST, _line(error.cause)) from error
            # The error as it was on the worker: callers act on its type and its sentence.
            raise error.cause from error
        except RayActorError as error:
            raise self._failed(Failure.WORKER_LOST, _line(error)) from error
        except (ObjectLostError, GetTimeoutError) as error:
            raise self._failed(Failure.OBJECT_LOST, _line(error)) from error

    def replace(self, ranks: Sequence[int]) -> None:
        """End what is left of some actors and start others in their bundles."""
        for rank in ranks:
            ray.kill(self._actors[rank])
            self._actors[rank] = self._start(rank)

    def close(self) -> None:
        """End the actors, free their bundles, and end the Ray that was started for them."""
        for actor in self._actors:
            ray.kill(actor)
        self._stack.close()

    def _failed(self, failure: Failure, sentence: str) -> WorkerFailureError:
        """Find out which workers are lost."""
        pings = [actor.ping.options(concurrency_group=_HEALTH).remote() for actor in self._actors]
        lost = tuple(rank for rank, ping in enumerate(pings) if not _answers(ping))
        if not lost and failure is Failure.WORKER_LOST:
            failure = Failure.OBJECT_LOST  # it is back already
        if not lost and failure is Failure.WORKER_HANGS:
            # One is stuck in a call, and others wait for its values: from here they look the same.
            lost = tuple(range(self.size))
        return WorkerFailureError(
            failure,
            f"{failure.value} ({sentence}): workers {list(lost)} of {self.size} are lost. See "
            "Ray's logs; out of memory is the usual cause, which a smaller memory_bytes cures",
            lost,
        )

    def _reserve(self, cluster: Cluster) -> PlacementGroup:
        if cluster.address == "local":
            self._check_machine()
        group = placement_group([self._bundle] * self.size, strategy="PACK")
        self._stack.callback(remove_placement_group, group)
        if not group.wait(cluster.start_seconds):
            raise InputError(
                f"{self.size} workers with {self._bundle} each were asked for, and the cluster has "
                f"{_total(ray.cluster_resources())} in all after {cluster.start_seconds:g} s: ask "
                "for fewer workers, or a longer cluster.start_seconds while nodes are starting"
            )
        return group

    def _check_machine(self) -> None:
        """Refuse at once what a single machine never has: no node will come."""
        total = ray.cluster_resources()
        if any(total.get(name, 0.0) < self.size * each for name, each in self._bundle.items()):
            raise InputError(
                f"{self.size} workers with {self._bundle} each were asked for, and this machine "
                f"has {_total(total)}: ask for fewer workers, or give each a part of a core or GPU "
                "with cluster.cpus_per_worker and cluster.gpus_per_worker"
            )

    def _start(self, rank: int) -> Any:
        gpus = self._bundle.get("GPU", 0.0)
        variables = {}
        if 0 < gpus < 1:
            # A share of the whole memory, whatever part of the GPU is the worker's.
            variables["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{_GPU_SHARE * gpus:.3f}"
        remote: Any = ray.remote  # its annotations do not know this option
        actor = remote(concurrency_groups={_HEALTH: 1})(self._worker).options(
            num_cpus=self._bundle["CPU"],
            num_gpus=gpus,
            runtime_env={"env_vars": variables} if variables else None,
            scheduling_strategy=PlacementGroupSchedulingStrategy(
                self._placement, placement_group_bundle_index=self._first + rank
            ),
        )
        return actor.remote(self._config, rank, self._shared)


def bundle_of(cluster: Cluster) -> dict[str, float]:
    """What one worker needs, on the Ray that this process is connected to."""
    gpus = cluster.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if ray.cluster_resources().get("GPU", 0) else 0.0
    return {"CPU": cluster.cpus_per_worker} | ({"GPU": gpus} if gpus else {})


def _answers(ping: Any) -> bool:
    try:
        ray.get(ping, timeout=_PING_SECONDS)
    except (RayActorError, GetTimeoutError):
        return False
    return True


def _total(resources: Mapping[str, float]) -> str:
    return f"{resources.get('CPU', 0):g} CPUs and {resources.get('GPU', 0):g} GPUs"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
