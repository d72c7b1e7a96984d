"""A sweep, driven: Ray Tune runs trials, the ledger remembers, an answer is written. Layer 7."""

import contextlib
import dataclasses
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml

from ganntk import config as configuration
from ganntk import storage
from ganntk.distributed.monitored import RayMetricsSink
from ganntk.distributed.ray_session import session, stay_on_loopback
from ganntk.errors import InputError
from ganntk.sweeps import outcome, page, settings
from ganntk.sweeps.ledger import LEDGER, Ledger, State, Trial
from ganntk.sweeps.settings import Optuna, SweepConfig
from ganntk.sweeps.watching import SweepProgress, Watched
from ganntk.telemetry import JsonlSink, Recorder

_log = logging.getLogger(__name__)

METRICS = "metrics.jsonl"
_VARIABLES = {
    # Ray Tune would end a sweep by itself at Ctrl-C, and say that all went well.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Series that are measured now and then are not in every report.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # A CSV, a JSON and a TensorBoard file for each trial, beside its run folder.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    # Paths of a configuration are seen from where the driver is.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Tables on standard output, where the result belongs.
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True)
class SweepResult:
    """The end of a sweep, as its last line says it."""

    sweep_uri: str
    trials: int
    finished: int
    stopped: int
    failed: int
    best_trial: int | None
    measure: str
    best: float | None
    steps: int
    seconds: float


def run(sweep: SweepConfig, progress: SweepProgress) -> SweepResult:
    """Carry out a sweep, and leave its folder.

    Args:
        sweep: what is asked for; ``{time}`` in its `sweep_uri` is replaced by the time of start.
        progress: told what happens.

    Raises:
        InputError: something given cannot be used; nothing existing was overwritten.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    uri = _whole(sweep.sweep_uri.replace("{time}", stamp))
    sweep = dataclasses.replace(sweep, sweep_uri=uri)
    for name in (outcome.SWEEP, LEDGER):
        if storage.exists(storage.join(uri, name)):
            raise InputError(
                f"{uri} already holds a sweep: go on with `ganntk sweep --resume {uri}`, choose "
                "another sweep_uri, or delete it yourself"
            )
    storage.write_text(storage.join(uri, outcome.SWEEP), settings.dump(sweep))
    return _carry_out(sweep, progress)


def resume(sweep_uri: str, progress: SweepProgress, overrides: Sequence[str] = ()) -> SweepResult:
    """Go on with a sweep whose driver ended, or give one that has ended a larger budget.

    Trials that ended are not repeated; those that ran go on from their last checkpoints.

    Args:
        sweep_uri: its folder.
        progress: told what happens.
        overrides: words of a command line, of `budget`, `concurrent`, `failures`, `run.cluster`.

    Raises:
        InputError: there is no sweep, or something else would change.
    """
    sweep_uri = _whole(sweep_uri)
    path = storage.join(sweep_uri, outcome.SWEEP)
    if not storage.exists(path):
        raise InputError(f"{sweep_uri} holds no sweep, there is no {outcome.SWEEP} in it")
    raw = yaml.safe_load(storage.read_text(path))
    before = configuration.decode_as(SweepConfig, raw | {"sweep_uri": sweep_uri})
    sweep = settings.changed(before, overrides)
    storage.write_text(path, settings.dump(sweep))
    return _carry_out(sweep, progress)


def _whole(uri: str) -> str:
    """A local path from the root: trials need not be where the driver is."""
    return uri if "://" in uri else os.path.abspath(os.path.expanduser(uri))


def _carry_out(sweep: SweepConfig, progress: SweepProgress) -> SweepResult:
    began = time.monotonic()
    address = sweep.run.cluster.address
    address = "local" if address == "none" else address
    progress.phase(f"connecting to Ray ({address})")
    os.environ.update({k: v for k, v in _VARIABLES.items() if k not in os.environ})
    # Trials that wait for room: what is learnt meanwhile says nothing of their values.
    waiting = 1 if isinstance(sweep.searcher, Optuna) else 8
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(waiting)
    if address == "local":
        stay_on_loopback()
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(Ledger(sweep.sweep_uri))
        stack.enter_context(session(address))
        log = stack.enter_context(storage.AppendLog(storage.join(sweep.sweep_uri, METRICS)))
        recorder = Recorder([JsonlSink(log)])
        name = sweep.sweep_uri.rstrip("/").rsplit("/", 1)[-1]
        recorder.add(stack.enter_context(RayMetricsSink(name)), watches=True)
        watched = Watched(sweep, ledger, recorder, progress)
        # Imported here, after Ray's variables are set.
        from ganntk.sweeps.tuner import tune_trials

        tune_trials(sweep, ledger, watched)
    progress.phase("writing the tables and the page")
    return conclude(sweep, ledger.trials, time.monotonic() - began)


def conclude(sweep: SweepConfig, known: Mapping[int, Trial], seconds: float) -> SweepResult:
    """Write the best configuration, the table, the page and the result of a sweep."""
    trials = list(known.values())
    for trial in trials:
        if trial.state is State.RUNNING:  # when the budget ended
            trial.state = State.PENDING
    best = outcome.best_of(trials, sweep)
    if best is not None:
        outcome.write_best(sweep, best)
    outcome.write_table(sweep, trials)
    states = [trial.state for trial in trials]
    result = SweepResult(
        sweep_uri=sweep.sweep_uri,
        trials=len(trials),
        finished=states.count(State.FINISHED),
        stopped=states.count(State.STOPPED),
        failed=states.count(State.ERROR),
        best_trial=None if best is None else best.number,
        measure=sweep.measure,
        best=None if best is None else best.last(sweep.measure),
        steps=sum(trial.steps for trial in trials),
        seconds=round(seconds, 3),
    )
    outcome.write_result(sweep, dataclasses.asdict(result))
    _log.info("page at %s", page.write(sweep, trials))
    return result
