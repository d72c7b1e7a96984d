"""A sweep as one value, from YAML and options. Layer 6."""

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml

from ganntk import config as configuration
from ganntk import storage
from ganntk.config import RunConfig
from ganntk.distributed.sweep import space
from ganntk.distributed.sweep.space import Space, Values
from ganntk.errors import InputError
from ganntk.registry import unknown_name
from ganntk.telemetry import CATALOGUE

Mode = Literal["min", "max"]
Searcher = Literal["random", "grid", "optuna"]
Scheduler = Literal["none", "asha", "median"]

BASE = "base.yaml"
PLAN = "sweep.yaml"


@dataclass(frozen=True)
class Plan:
    """A sweep.

    Attributes:
        space: what is tried.
        base: the run that every trial starts from, as YAML.
        uri: the sweep's folder; ``{time}`` is the time of the start.
        objectives: series -> min or max; the first decides, all make the front.
        trials: how many; a grid has as many as it has combinations, at most this.
        hours: of wall time after which no trial goes on; None for no limit.
        gpu_hours: of all trials together, likewise.
        searcher: ``random``, ``grid``, or ``optuna`` (TPE; of several objectives NSGA-II's kin).
        scheduler: ``asha`` ends trials that are behind, ``median`` those below the median.
        grace: steps that a trial has before it may be ended.
        reduction: of so many trials that come to a level, `asha` lets one go on.
        seed: of what is drawn.
        address: of the Ray cluster; ``local`` starts one.
        cpus: cores of a trial, or of each of its workers.
        gpus: GPUs of the same; parts of one are allowed. None: one where there are any.
        concurrent: trials at once at most; None for as many as fit.
        failures: how often a trial is started again when its process is lost.
    """

    space: Space
    base: str
    uri: str = "sweeps/{time}"
    objectives: Mapping[str, Mode] = field(default_factory=lambda: {"held_out_distance": "min"})
    trials: int = 32
    hours: float | None = None
    gpu_hours: float | None = None
    searcher: Searcher = "random"
    scheduler: Scheduler = "asha"
    grace: int = 50
    reduction: int = 3
    seed: int = 0
    address: str = "local"
    cpus: float = 1.0
    gpus: float | None = None
    concurrent: int | None = None
    failures: int = 2

    def __post_init__(self) -> None:
        for name in ("trials", "grace", "concurrent"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(f"{name} is {value}: expected at least 1")
        for name in ("hours", "gpu_hours"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value}: expected a positive number")
        if self.reduction < 2:
            raise InputError(f"reduction is {self.reduction}: expected at least 2")
        if self.failures < 0 or self.cpus <= 0:
            raise InputError("failures must be at least 0, and cpus positive")
        for name, known in _WORDS.items():
            if (value := getattr(self, name)) not in known:
                raise unknown_name(name, value, known)
        if not self.objectives:
            raise InputError("objectives is empty: name a series, as held_out_distance: min")
        for series, mode in self.objectives.items():
            if series not in CATALOGUE:
                raise unknown_name("series", series, CATALOGUE)
            if mode not in ("min", "max"):
                raise InputError(f"objectives.{series} is {mode!r}: expected min or max")

    @property
    def metric(self) -> str:
        """The objective that decides."""
        return next(iter(self.objectives))

    @property
    def mode(self) -> Mode:
        """Whether it is to fall or to rise."""
        return self.objectives[self.metric]

    def trial_values(self) -> list[Values]:
        """The values of all trials, where they do not depend on what was found."""
        if self.searcher == "grid":
            return self.space.grid()[: self.trials]
        return [self.space.draw(self.seed, number) for number in range(self.trials)]

    def config_of(self, values: Mapping[str, Any]) -> RunConfig:
        """The configuration of a trial, still without a place.

        Raises:
            InputError: the values do not make one.
        """
        raw = yaml.safe_load(self.base)
        return configuration.layered(raw, {}, space.words(values))


_WORDS = {"searcher": ("random", "grid", "optuna"), "scheduler": ("none", "asha", "median")}


def load(uri: str, overrides: Sequence[str] = ()) -> Plan:
    """Read a sweep.

    Args:
        uri: a YAML file; its ``config`` names the base run's file, its ``run`` holds keys above it,
            the others are those of `Plan`.
        overrides: ``--trials 8`` for a key of the sweep, ``--run.steps 100`` for one of the base.

    Raises:
        InputError: a key is unknown, or a value cannot be used.
    """
    raw = configuration.read(uri)
    above: list[str] = []
    for path, value in configuration.parse_overrides(overrides):
        above += _kept(path, value, raw)
    base = configuration.load(raw.pop("config", None))
    run = configuration.merged(
        yaml.safe_load(configuration.dump(base)), configuration.expanded(raw.pop("run", {}) or {})
    )
    config = configuration.layered(run, {}, above)
    fields = {each.name for each in dataclasses.fields(Plan)} - {"base"}
    for key in raw:
        if key not in fields:
            raise unknown_name("key", key, sorted(fields | {"config", "run"}))
    given = {**raw, "space": space.parse(raw.get("space"))}
    given["uri"] = str(given.get("uri", Plan.uri)).replace("{time}", time.strftime("%Y%m%d-%H%M%S"))
    plan = Plan(base=configuration.dump(config), **given)
    _check_watched(plan, config)
    return plan


def _kept(path: tuple[str, ...], value: Any, raw: dict[str, Any]) -> list[str]:
    """Set a key of the sweep; give back the option where it is one of the base."""
    if path[0] == "run":
        return list(space.words({".".join(path[1:]): value}))
    nested: Any = value
    for key in reversed(path[1:]):
        nested = {key: nested}
    raw.update(configuration.merged(raw, {path[0]: nested}))
    return []


def _check_watched(plan: Plan, config: RunConfig) -> None:
    """Refuse an objective that the base run does not measure."""
    needs = {"held_out_distance", "memorisation", "am_ssim"} & set(plan.objectives)
    if needs and not config.stopping.every:
        raise InputError(
            f"the objectives {sorted(needs)} are measured at checks, and run.stopping.every is 0: "
            "give it a number of steps"
        )
    if "held_out_distance" in needs and config.stopping.held_out is None:
        raise InputError(
            "the objective held_out_distance needs rows to measure it to: name some as "
            "run.stopping.held_out"
        )


def save(plan: Plan) -> None:
    """Write the plan into the sweep's folder: `resume` reads it there."""
    folder = plan.uri
    given = dataclasses.asdict(plan)
    del given["base"]
    given["space"] = {
        each.key: {each.kind: list(each.values), **({"when": dict(each.when)} if each.when else {})}
        for each in plan.space.parameters
    }
    given["objectives"] = dict(plan.objectives)
    given["config"] = storage.join(folder, BASE)
    storage.write_text(storage.join(folder, BASE), plan.base)
    storage.write_text(storage.join(folder, PLAN), yaml.safe_dump(given, sort_keys=False))


def saved(uri: str) -> Plan:
    """The plan of a sweep that was started.

    Raises:
        InputError: there is none.
    """
    path = storage.join(uri, PLAN)
    if not storage.exists(path):
        raise InputError(f"{uri} holds no sweep: give the folder of one that was started")
    return dataclasses.replace(load(path, ["--config", storage.join(uri, BASE)]), uri=uri)
