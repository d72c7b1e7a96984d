"""One run, described: the parts' own dataclasses, from YAML and ``--a.b value``. Layer 5.

Defaults < YAML file < overrides. Shorthands: a kernel's name stands for
``{type: named, name: ...}``, a number for lam (or its ``value``) for ``{type: fixed, value: ...}``,
and ``auto`` for ``{type: searched}``.
"""

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args, get_origin

import draccus
import yaml
from draccus.utils import ParsingError

from ganntk.checkpoint.policy import Checkpoints
from ganntk.coupling import Batchwise, Coupling, Exact, Generator, parts_of
from ganntk.data import Source
from ganntk.data.digits import Digits
from ganntk.discriminator import Solver
from ganntk.errors import InputError
from ganntk.generators import Points
from ganntk.kernels import Kernel, Named
from ganntk.lam import Lam, Searched
from ganntk.levels import Level
from ganntk.levels import check as check_levels
from ganntk.noise import Noise, NoNoise
from ganntk.objectives import Objective, SquaredError
from ganntk.optimizers import Optimizer
from ganntk.options import expanded, merged, nested, nested_at, parse_overrides, read
from ganntk.registry import unknown_name
from ganntk.stopping import Never, Stopping

Precision = Literal["float32", "float64"]
T = TypeVar("T")

# Where a run is written, where and how fast it runs, how long, and what is seen of it meanwhile.
_INDECISIVE = (
    "run_uri",
    "cluster",
    "checkpoints",
    "report_every",
    "sample_every",
    "steps",
    "stopping",
    "memory_bytes",
)


@dataclass(frozen=True)
class Cluster:
    """Where the workers run.

    Attributes:
        address: ``none`` for this process without Ray; ``local`` for a Ray that is started for this
            run on this machine's loopback interface and ended with it; ``auto`` for the cluster
            that this process is in, as under ``ray job submit``; otherwise a cluster's address.
        workers: how many; each owns a device and a share of the generated rows.
        cpus_per_worker: CPU cores that a worker asks Ray for.
        gpus_per_worker: GPUs that a worker asks Ray for; None asks for one where there are any.
        start_seconds: how long to wait for the workers' resources, as when nodes are starting.
        timeout_seconds: a worker that has not answered for so long is taken as lost.
        snapshot_every: steps between two copies of the state that a lost worker is restored from.
        failures: how many in a row are put up with before the run ends.
    """

    address: str = "none"
    workers: int = 1
    cpus_per_worker: float = 1.0
    gpus_per_worker: float | None = None
    start_seconds: float = 600.0
    timeout_seconds: float = 900.0
    snapshot_every: int = 50
    failures: int = 3

    def __post_init__(self) -> None:
        for name in ("workers", "snapshot_every"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"cluster.{name} is {value}: expected at least 1")
        for name in ("start_seconds", "timeout_seconds"):
            if not (value := getattr(self, name)) > 0:
                raise InputError(f"cluster.{name} is {value}: expected a positive number")
        if self.failures < 0:
            raise InputError(f"cluster.failures is {self.failures}: expected at least 0")


@dataclass(frozen=True)
class RunConfig:
    r"""Everything that defines a run.

    Attributes:
        run_uri: the run's folder; ``{time}`` stands for the start, as 20260131-235959.
        data: where real rows come from.
        kernel: architecture of the infinitely wide discriminator.
        objective: what the generated rows ask of its predictions.
        lam: the rule for the discriminator's training time.
        optimizer: how the gradient moves the generated rows.
        noise: on the gradient, or on the generated rows after they moved.
        similarity: weight of a penalty on generated rows that resemble real ones; 0 for none. It is
            no part of the recorded loss.
        points: how many rows to generate, their start and range.
        coupling: which of the generated rows share a Gram matrix.
        levels: resolutions whose objectives are added up, each on average-pooled images; what a
            level leaves out (kernel, lam, solver) is the run's. None of them: full resolution.
        steps: optimiser steps of the run, at least 1.
        report_every: steps between two records of the metrics, and of one call to the device.
        sample_every: steps between two pictures of the generated rows.
        seed: fixes everything random in the run, but not the choice of real rows (``data.seed``).
        precision: of the kernel; the discriminator's matrix function is always in float64.
        solver: of that matrix function: ``eigh``, ``lanczos``, or ``auto`` for the first up to
            1024 rows, real and generated, and the second beyond.
        diagonal: relative regulariser of the Gram matrix's diagonal; the authors' code has 1e-5.
        memory_bytes: budget for the feature maps of one kernel tile; None for the default.
        stopping: what is watched of the generated rows, and when the run ends before `steps`.
        cluster: where the workers run.
        checkpoints: when the state is saved, and what is kept of it.
    """

    run_uri: str = "runs/{time}"
    data: Source = field(default_factory=lambda: Digits(size=64))
    kernel: Kernel = field(default_factory=Named)
    objective: Objective = field(default_factory=SquaredError)
    lam: Lam = field(default_factory=Searched)
    optimizer: Optimizer = field(default_factory=Optimizer)
    noise: Noise = field(default_factory=NoNoise)
    similarity: float = 0.0
    points: Points = field(default_factory=Points)
    coupling: Coupling = field(default_factory=Exact)
    levels: tuple[Level, ...] = ()
    steps: int = 500
    report_every: int = 10
    sample_every: int = 50
    seed: int = 0
    precision: Precision = "float32"
    solver: Solver = "auto"
    diagonal: float = 0.0
    memory_bytes: int | None = None
    stopping: Stopping = field(default_factory=Never)
    cluster: Cluster = field(default_factory=Cluster)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)

    def __post_init__(self) -> None:
        for name in ("steps", "report_every", "sample_every"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"{name} is {value}: expected at least 1")
        parts, workers = parts_of(self.coupling), self.cluster.workers
        if parts is not None and parts < workers:
            name = "batches" if isinstance(self.coupling, Generator) else "sets"
            raise InputError(
                f"coupling.{name} is {parts} for {workers} workers: expected at least one for "
                "every worker"
            )
        if self.levels:
            self._check_levels()
        draws = isinstance(self.coupling, Batchwise | Generator)
        if self.data.rows_until(0) is not None and not draws:
            raise InputError(
                "rows that change on the way are for batches: take coupling.type batchwise or "
                "generator, or another data source"
            )
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: expected 0 or a positive whole number")
        for name in ("diagonal", "similarity"):
            if not 0 <= (value := getattr(self, name)) < math.inf:
                raise InputError(f"{name} is {value}: expected a finite number of at least 0")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise InputError(f"memory_bytes is {self.memory_bytes}: expected at least 1")

    def _check_levels(self) -> None:
        check_levels(self.levels)
        if isinstance(self.coupling, Batchwise | Generator):
            raise InputError(
                "levels need a set of rows on one worker, and this coupling draws batches: take "
                "coupling.type independent, or no levels"
            )
        if isinstance(self.coupling, Exact) and self.cluster.workers > 1:
            raise InputError(
                f"levels in the coupling exact run on one worker, and cluster.workers is "
                f"{self.cluster.workers}: take coupling.type independent with as many sets, or one "
                "worker"
            )


def load(uri: str | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a configuration.

    Args:
        uri: a YAML file, or None for the defaults.
        overrides: words of a command line: ``--a.b value`` or ``--a.b=value``.

    Raises:
        InputError: the file is missing or no mapping, a key is unknown, a value has the wrong type.
    """
    return layered(read(uri) if uri is not None else {}, {}, overrides)


def layered(
    below: Mapping[str, Any], above: Mapping[str, Any], overrides: Sequence[str] = ()
) -> RunConfig:
    """Build a configuration from nested mappings and options, each laid over those before it.

    Raises:
        InputError: as `load`.
    """
    laid = merged(expanded(below), expanded(above))
    return decode(merged(laid, expanded(nested(parse_overrides(overrides)))))


def decode(raw: Mapping[str, Any]) -> RunConfig:
    """Build a configuration from nested mappings; what is left out has its default.

    Raises:
        InputError: a key is unknown or a value has the wrong type.
    """
    return decode_as(RunConfig, raw)


def decode_as(kind: type[T], raw: Mapping[str, Any]) -> T:
    """Build a dataclass of plain values and parts, such as a sweep, from nested mappings.

    Raises:
        InputError: a key is unknown or a value has the wrong type.
    """
    _check_keys(kind, raw, ())
    try:
        return draccus.decode(kind, dict(raw))
    except ParsingError as error:
        raise _as_input_error(error) from error


def with_values(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """A configuration with some keys changed.

    Args:
        config: the rest.
        values: dotted key -> value of YAML, shorthands included; later ones see earlier ones.

    Raises:
        InputError: a key is unknown or a value has the wrong type.
    """
    return decode(changed(encode(config), values))


def changed(raw: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same for nested mappings that need not be complete."""
    above = expanded(raw)
    for key, value in values.items():
        above = merged(above, expanded(nested_at(tuple(key.split(".")), value)))
    return above


def dump(config: RunConfig) -> str:
    """The resolved configuration as YAML that `load` reads back."""
    return yaml.safe_dump(encode(config), sort_keys=False)


def fingerprint(config: RunConfig) -> str:
    """SHA-256 of what decides a run's numbers: not where it is written nor where it runs.

    The solver decides them as the precision does: from float32 kernels Lanczos differs from `eigh`
    by 1e-6 in a step, and a long run makes that visible.
    """
    return _hashed(_decisive(config))


def fingerprint_of(config: RunConfig, names: Sequence[str]) -> str:
    """SHA-256 of some parts of a configuration: runs that agree in them share what they decide."""
    encoded = encode(config)
    return _hashed({name: encoded[name] for name in names})


def _hashed(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(yaml.safe_dump(values, sort_keys=True).encode()).hexdigest()


def differences(one: RunConfig, other: RunConfig) -> list[str]:
    """Where two configurations differ in what decides the numbers, as ``key: this, not that``."""
    ours, theirs = _flat(_decisive(one)), _flat(_decisive(other))
    return [
        f"{key}: {ours.get(key)}, not {theirs.get(key)}"
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    ]


def _decisive(config: RunConfig) -> dict[str, Any]:
    """What is left of an encoded configuration when the place and the pace are taken out."""
    encoded = encode(config)
    for name in _INDECISIVE:
        del encoded[name]
    return encoded


def _flat(nested: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Values by dotted keys."""
    found = {}
    for key, value in nested.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{path}{key}.")
        else:
            found[f"{path}{key}"] = value
    return found


def _check_keys(cls: type, raw: Any, path: tuple[str, ...]) -> None:
    """Refuse keys that no field has: checked here because the nearest name is wanted."""
    is_choice = hasattr(cls, "get_known_choices")
    if not isinstance(raw, Mapping):
        if is_choice or dataclasses.is_dataclass(cls):
            raise InputError(f"{'.'.join(path)} is {raw!r}: expected keys with values")
        return
    if is_choice:
        name = raw.get("type", cls.default_choice_name())  # type: ignore[attr-defined]
        if name is None:
            raise InputError(f"{'.'.join(path)} has no type: say which {cls.kind} it is")  # type: ignore[attr-defined]
        cls = cls.find(name)  # type: ignore[attr-defined]
        raw = {key: value for key, value in raw.items() if key != "type"}
    if not dataclasses.is_dataclass(cls):
        return
    fields = {f.name: f.type for f in dataclasses.fields(cls)}
    for key, value in raw.items():
        if key not in fields:
            raise unknown_name("key", ".".join((*path, str(key))), _paths(path, fields))
        if get_origin(kind := fields[key]) is tuple and isinstance(value, list | tuple):
            for i, each in enumerate(value):
                _check_keys(get_args(kind)[0], each, (*path, key, str(i)))
        elif isinstance(kind, type):
            _check_keys(kind, value, (*path, key))


def _paths(path: tuple[str, ...], names: Mapping[str, Any]) -> list[str]:
    return [".".join((*path, name)) for name in names]


def _as_input_error(error: ParsingError) -> InputError:
    """The sentence of a part that refused its values, or the library's own in one line."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, InputError):
            return cause
        cause = cause.__cause__
    return InputError(f"{' '.join(str(error).split())}: give a value of the expected type")


def encode(config: Any) -> dict[str, Any]:
    """A configuration, or another dataclass of its kind, as nested plain values."""
    return draccus.encode(config)
