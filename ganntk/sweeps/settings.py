"""One sweep, described: what is varied of a run, for what, how long. Layer 7, without Ray."""

import abc
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import yaml

from ganntk import config as configuration
from ganntk.config import RunConfig
from ganntk.coupling import Exact
from ganntk.data import Source
from ganntk.errors import InputError
from ganntk.evaluation.quality import COLUMNS
from ganntk.registry import Registered, unknown_name
from ganntk.stopping.rules import Never
from ganntk.sweeps import space as spaces
from ganntk.sweeps.space import Parameter
from ganntk.telemetry import CATALOGUE

QUALITY = "quality."
"""Before the name of a measure of `ganntk.evaluation`, which is known at the end of a trial."""

CHECKED = ("memorisation", "am_ssim", "held_out_distance")
"""Series that a run records at its checks, see `stopping.every`."""

Mode = Literal["min", "max"]


@dataclass(frozen=True)
class Searcher(Registered, abc.ABC):
    """How the values of the next trial are chosen."""

    kind: ClassVar[str] = "searcher"
    package: ClassVar[str] = "ganntk.sweeps.settings"
    default_name: ClassVar[str | None] = "random"
    _registry: ClassVar[dict[str, type]] = {}


@Searcher.register("random")
@dataclass(frozen=True)
class Random(Searcher):
    """Independent draws."""


@Searcher.register("grid")
@dataclass(frozen=True)
class Grid(Searcher):
    """Every combination; `budget.trials` may cut it short."""


@Searcher.register("optuna")
@dataclass(frozen=True)
class Optuna(Searcher):
    """Tree-structured Parzen estimators, for one measure or several.

    Attributes:
        startup: trials at random before the estimators are asked.
    """

    startup: int = 10

    def __post_init__(self) -> None:
        if self.startup < 1:
            raise InputError(f"searcher.startup is {self.startup}: expected at least 1")


@dataclass(frozen=True)
class Scheduler(Registered, abc.ABC):
    """Which trials are ended early."""

    kind: ClassVar[str] = "scheduler"
    package: ClassVar[str] = "ganntk.sweeps.settings"
    default_name: ClassVar[str | None] = "none"
    _registry: ClassVar[dict[str, type]] = {}


@Scheduler.register("none")
@dataclass(frozen=True)
class NoScheduler(Scheduler):
    """Every trial takes all of its steps."""


@Scheduler.register("asha")
@dataclass(frozen=True)
class Asha(Scheduler):
    """Asynchronous successive halving: at growing numbers of steps only the best go on.

    Attributes:
        grace: steps that every trial takes.
        factor: one trial in so many goes on, and takes so many times as many steps; above 1.
    """

    grace: int = 50
    factor: float = 3.0

    def __post_init__(self) -> None:
        if self.grace < 1:
            raise InputError(f"scheduler.grace is {self.grace}: expected at least 1")
        if not self.factor > 1:
            raise InputError(f"scheduler.factor is {self.factor}: expected more than 1")


@Scheduler.register("median")
@dataclass(frozen=True)
class Median(Scheduler):
    """End a trial whose best is worse than the median of what the others had on average by then.

    Attributes:
        grace: steps that every trial takes.
        others: trials that must have come so far before any is ended.
    """

    grace: int = 50
    others: int = 3

    def __post_init__(self) -> None:
        for name in ("grace", "others"):
            if (value := getattr(self, name)) < 1:
                raise InputError(f"scheduler.{name} is {value}: expected at least 1")


@Scheduler.register("pbt")
@dataclass(frozen=True)
class Pbt(Scheduler):
    """Population-based training: the worst trials go on from the state of the best, changed a bit.

    All trials of the budget are the population, and what they end as is a schedule: a run of its
    own with the last values does not repeat it.

    Attributes:
        interval: steps between two comparisons.
        quantile: share of the population that is best, and that is worst; at most a half.
        resample: how likely a value is drawn anew, where it is not multiplied.
    """

    interval: int = 50
    quantile: float = 0.25
    resample: float = 0.25

    def __post_init__(self) -> None:
        if self.interval < 1:
            raise InputError(f"scheduler.interval is {self.interval}: expected at least 1")
        if not 0 < self.quantile <= 0.5:
            raise InputError(f"scheduler.quantile is {self.quantile}: expected 0 to 0.5")
        if not 0 <= self.resample <= 1:
            raise InputError(f"scheduler.resample is {self.resample}: expected 0 to 1")


@dataclass(frozen=True)
class Budget:
    """When no further trial is started; trials that run at the end of a time are ended.

    Attributes:
        trials: how many at most; 0 for every combination of a grid.
        gpu_hours: of all trials, whole GPUs or parts; None for no limit.
        seconds: wall time of one call of the command; None for no limit.
    """

    trials: int = 16
    gpu_hours: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.trials < 0:
            raise InputError(f"budget.trials is {self.trials}: expected at least 0")
        for name in ("gpu_hours", "seconds"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise InputError(f"budget.{name} is {value}: expected a positive number, or null")


@dataclass(frozen=True)
class Evaluation:
    """What is measured of the rows of each trial that took all steps, as `ganntk evaluate` does.

    Attributes:
        reference: real rows that distances are to; None to measure nothing.
        held_out: fresh real rows for the baselines; None to set some of the reference aside.
        features: extractors, as on the command line of `ganntk evaluate`; one of ``pixels``,
            ``random``, ``classifier:URI``, ``inception:URI``.
    """

    reference: Source | None = None
    held_out: Source | None = None
    features: str = "random"


@dataclass(frozen=True)
class SweepConfig:
    """Everything that defines a sweep.

    Attributes:
        sweep_uri: the sweep's folder; ``{time}`` stands for the start, as 20260131-235959.
        run: what all trials have in common: a whole configuration of a run.
        space: what is varied, dotted key -> parameter.
        measures: what is looked at, name -> ``min`` or ``max``: series that a run records, or
            ``quality.NAME`` of the evaluation at the end. The first decides.
        searcher: how values are chosen.
        scheduler: which trials end early.
        budget: how much.
        evaluation: what is measured at the end of a trial.
        concurrent: trials at a time; 0 for as many as the cluster has room for.
        failures: how often a trial whose process was lost is started again.
        share: whether trials share data, K(X, X) and what is known of the first points.
        seed: of the search; that of the runs is ``run.seed``.
    """

    sweep_uri: str = "runs/sweep-{time}"
    run: RunConfig = field(default_factory=RunConfig)
    space: dict[str, Parameter] = field(default_factory=dict)
    measures: dict[str, str] = field(default_factory=lambda: {"loss_per_real": "min"})
    searcher: Searcher = field(default_factory=Random)
    scheduler: Scheduler = field(default_factory=NoScheduler)
    budget: Budget = field(default_factory=Budget)
    evaluation: Evaluation = field(default_factory=Evaluation)
    concurrent: int = 0
    failures: int = 2
    share: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("concurrent", "failures", "seed"):
            if (value := getattr(self, name)) < 0:
                raise InputError(f"{name} is {value}: expected at least 0")
        spaces.check(self.space)
        _check_measures(self)
        _check_scheduler(self)
        if self.budget.trials == 0 and not isinstance(self.searcher, Grid):
            raise InputError("budget.trials is 0: a search that is no grid has no end of its own")
        if isinstance(self.searcher, Grid):
            spaces.grid(self.space)

    @property
    def measure(self) -> str:
        """What decides."""
        return next(iter(self.measures))

    @property
    def mode(self) -> str:
        """Whether the smallest or the largest of it is best."""
        return self.measures[self.measure]


def load(uri: str | None, overrides: Sequence[str] = ()) -> SweepConfig:
    """Read a sweep.

    The file may name a run's configuration as ``base``, which ``run`` changes.

    Args:
        uri: a YAML file.
        overrides: words of a command line: ``--budget.trials 40``, ``--run.steps 200``.

    Raises:
        InputError: something is missing, unknown, of the wrong type, or does not fit.
    """
    raw = configuration.read(uri) if uri is not None else {}
    above = configuration.nested(configuration.parse_overrides(overrides))
    base, own, more = (
        above.pop("base", raw.pop("base", None)),
        raw.pop("run", None) or {},
        above.pop("run", None) or {},
    )
    run = configuration.read(base) if base is not None else {}
    for layer in (own, more):
        run = configuration.changed(run, layer)
    return configuration.decode_as(SweepConfig, configuration.changed(raw, above) | {"run": run})


def changed(sweep: SweepConfig, overrides: Sequence[str]) -> SweepConfig:
    """A sweep that goes on with another budget or on another cluster.

    Args:
        sweep: as it was.
        overrides: words of a command line.

    Raises:
        InputError: something else would change, or a value cannot be used.
    """
    raw = configuration.encode(sweep)
    for path, value in configuration.parse_overrides(overrides):
        key = ".".join(path)
        if not re.match(r"budget\.|(concurrent|failures)$|run\.cluster\.", key):
            raise InputError(
                f"--{key} would make another sweep of it: budget, concurrent, failures and "
                "run.cluster may change"
            )
        raw = configuration.changed(raw, {key: value})
    return configuration.decode_as(SweepConfig, raw)


def dump(sweep: SweepConfig) -> str:
    """The resolved sweep as YAML that `load` reads back."""
    return yaml.safe_dump(configuration.encode(sweep), sort_keys=False)


def run_of(sweep: SweepConfig, number: int, values: Mapping[str, Any]) -> RunConfig:
    """The run of a trial, below the sweep's folder.

    Raises:
        InputError: its values make no run.
    """
    given = configuration.with_values(sweep.run, values)
    uri = f"{sweep.sweep_uri.rstrip('/')}/trials/{number:05d}"
    # A worker of its own is the trial's process: Ray has given it what a worker needs.
    address = "none" if given.cluster.workers == 1 else "auto"
    return replace(given, run_uri=uri, cluster=replace(given.cluster, address=address))


def alone(sweep: SweepConfig, values: Mapping[str, Any]) -> RunConfig:
    """The same run outside the sweep: what `best.yaml` holds."""
    return replace(configuration.with_values(sweep.run, values), run_uri="runs/best-{time}")


def _check_measures(sweep: SweepConfig) -> None:
    if not sweep.measures:
        raise InputError("measures is empty: name one, such as loss_per_real: min")
    known = [name for name, spec in CATALOGUE.items() if spec.kind == "gauge" and not spec.labels]
    for name, mode in sweep.measures.items():
        if mode not in ("min", "max"):
            raise InputError(f"measures.{name} is {mode!r}: expected min or max")
        if name.startswith(QUALITY):
            if (column := name.removeprefix(QUALITY)) not in COLUMNS:
                raise unknown_name("measure", name, [QUALITY + each for each in COLUMNS])
            if sweep.evaluation.reference is None:
                raise InputError(
                    f"measures names {column} of the evaluation, which has no reference: name real "
                    "rows as evaluation.reference"
                )
        elif name not in known:
            raise unknown_name("measure", name, known)
        if name in CHECKED and sweep.run.stopping.every == 0:
            raise InputError(
                f"measures names {name}, which a run records at its checks: set "
                "run.stopping.every to the steps between two"
            )
    if "held_out_distance" in sweep.measures and sweep.run.stopping.held_out is None:
        raise InputError("measures names held_out_distance: name the rows as run.stopping.held_out")


def _check_scheduler(sweep: SweepConfig) -> None:
    scheduler = sweep.scheduler
    if isinstance(scheduler, NoScheduler):
        return
    if sweep.measure.startswith(QUALITY):
        raise InputError(
            f"{sweep.measure} is known at the end of a trial, and a scheduler needs a measure "
            "while it runs: put a series of the run first, or set scheduler.type to none"
        )
    if isinstance(scheduler, Pbt):
        _check_population(sweep)
    elif scheduler.grace > sweep.run.steps:  # type: ignore[attr-defined]
        raise InputError(
            f"scheduler.grace is above run.steps, {sweep.run.steps}: no trial would end early"
        )


def _check_population(sweep: SweepConfig) -> None:
    if not isinstance(sweep.searcher, Random) or sweep.budget.trials < 2:
        raise InputError(
            "scheduler pbt changes values itself: it needs searcher random and at least two trials"
        )
    kept = re.compile(r"lam(\.|$)|optimizer\.|objective(\.|$)|diagonal$")
    if bad := [key for key in sweep.space if not kept.match(key)]:
        raise InputError(
            f"scheduler pbt hands the state of one trial to another, and {', '.join(bad)} would "
            "not fit it: vary lam, the objective and the optimiser's numbers"
        )
    if any(parameter.when for parameter in sweep.space.values()):
        raise InputError("scheduler pbt takes no parameters with conditions: leave `when` out")
    if not isinstance(sweep.run.stopping, Never) or not isinstance(sweep.run.coupling, Exact):
        raise InputError("scheduler pbt takes runs of the exact coupling without a stopping rule")
