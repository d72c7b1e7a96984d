"""One run, described: the parts' own dataclasses, from YAML and ``--a.b value``. Layer 5.

Defaults < YAML file < overrides. Shorthands: a kernel's name stands for
``{type: named, name: ...}``, a number for lam (or its ``value``) for ``{type: fixed, value: ...}``,
and ``auto`` for ``{type: searched}``.
"""

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import draccus
import yaml
from draccus.utils import ParsingError

from ganntk import storage
from ganntk.checkpoint.policy import Checkpoints
from ganntk.coupling import Coupling, Exact, Generator, parts_of
from ganntk.data import Source
from ganntk.data.digits import Digits
from ganntk.discriminator import Solver
from ganntk.errors import InputError
from ganntk.generators import Points
from ganntk.kernels import Kernel, Named
from ganntk.lam import Lam, Searched
from ganntk.objectives import Objective, SquaredError
from ganntk.optimizers import Optimizer
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
        points: how many rows to generate, their start and range.
        coupling: which of the generated rows share a Gram matrix.
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
    points: Points = field(default_factory=Points)
    coupling: Coupling = field(default_factory=Exact)
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
        if self.seed < 0:
            raise InputError(f"seed is {self.seed}: expected 0 or a positive whole number")
        if self.diagonal < 0:
            raise InputError(f"diagonal is {self.diagonal}: expected at least 0")
        if self.memory_bytes is not None and self.memory_bytes < 1:
            raise InputError(f"memory_bytes is {self.memory_bytes}: expected at least 1")


def load(uri: str | None, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a configuration.

    Args:
        uri: a YAML file, or None for the defaults.
        overrides: words of a command line: ``--a.b value`` or ``--a.b=value``.

    Raises:
        InputError: the file is missing or no mapping, a key is unknown, a value has the wrong type.
    """
    raw = _expanded(read(uri)) if uri is not None else {}
    return decode(_merged(raw, _expanded(nested(parse_overrides(overrides)))))


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
    above = _expanded(raw)
    for key, value in values.items():
        above = _merged(above, _expanded(_nested(tuple(key.split(".")), value)))
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


def parse_overrides(words: Sequence[str]) -> list[tuple[tuple[str, ...], Any]]:
    """Pairs of a key's path and a YAML value, from ``--a.b value`` and ``--a.b=value``.

    Raises:
        InputError: a word is no option, or an option has no value.

    Example:
        >>> parse_overrides(["--lam.value", "5.12", "--kernel=fnn"])
        [(('lam', 'value'), 5.12), (('kernel',), 'fnn')]
    """
    found, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise InputError(f"{word!r} stands where an option was expected: write --key value")
        key, equals, value = word[2:].partition("=")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise InputError(f"option --{key} has no value: write --{key} VALUE")
            value = rest.pop(0)
        found.append((tuple(key.replace("-", "_").split(".")), _parse(value)))
    return found


def nested(pairs: Sequence[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    """Nested mappings of pairs of a path and a value; later pairs win."""
    found: dict[str, Any] = {}
    for path, value in pairs:
        found = _merged(found, _nested(path, value))
    return found


def _parse(text: str) -> Any:
    # YAML 1.1 reads 1e-3 as a string: everybody means the number.
    if re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", text):
        return float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def read(uri: str) -> dict[str, Any]:
    """The keys and values of a YAML file, as they stand there.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        raw = yaml.safe_load(storage.read_text(uri))
    except yaml.YAMLError as error:
        raise InputError(f"{uri} is not YAML: {' '.join(str(error).split())}") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise InputError(f"{uri} holds a {type(raw).__name__}: expected keys with values")
    return raw


def _expanded(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Write the shorthands out."""
    full = dict(raw)
    if isinstance(name := full.get("kernel"), str):
        full["kernel"] = {"type": "named", "name": name}
    lam = full.get("lam")
    lam = _parse(lam) if isinstance(lam, str) else lam
    if isinstance(lam, int | float) and not isinstance(lam, bool):
        full["lam"] = {"type": "fixed", "value": lam}
    elif lam == "auto":
        full["lam"] = {"type": "searched"}
    elif isinstance(lam, Mapping) and "value" in lam:
        full["lam"] = {"type": "fixed", **lam}
    elif isinstance(lam, str):
        raise InputError(f"lam is {lam!r}: expected a number, auto, or a mapping with a type")
    return full


def _nested(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return value


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, key by key; a part of another type replaces the one below whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            same_type = value.get("type", old.get("type")) == old.get("type", value.get("type"))
            merged[key] = _merged(old, value) if same_type else value
        else:
            merged[key] = value
    return merged


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
        if isinstance(kind := fields[key], type):
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
