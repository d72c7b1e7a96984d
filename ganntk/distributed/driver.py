"""The driver's loop: it needs no device, and writes the run folder. Layer 6."""

import contextlib
import dataclasses
import logging
import os
import platform
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Protocol

import numpy as np
import yaml

from ganntk import __version__, report, storage
from ganntk import config as configuration
from ganntk.config import RunConfig
from ganntk.coupling import sets_of
from ganntk.distributed import resumption
from ganntk.distributed.choice import strategy_for
from ganntk.distributed.group import open_group
from ganntk.distributed.guarded import Guarded
from ganntk.distributed.interrupts import deferred
from ganntk.distributed.monitored import RayMetricsSink
from ganntk.distributed.resumption import Past, Saver
from ganntk.distributed.shared import Shared
from ganntk.distributed.strategy import level_values
from ganntk.distributed.watching import Watcher
from ganntk.distributed.work import Work, work_of
from ganntk.distributed.worker import Finished, Prepared
from ganntk.errors import InputError, NonFiniteObjectiveError
from ganntk.kernels import Kernel
from ganntk.metrics import nearest
from ganntk.run_folder import METRICS, RunFolder
from ganntk.synthesis import StepReport
from ganntk.telemetry import JsonlSink, Recorder, Sink

_log = logging.getLogger(__name__)

# At a picture: products of two numbers for distances, and bounds on the rows that are looked at.
_PICTURE_WORK, _FEWEST, _MOST = 10**9, 8, 256
_PACKAGES = ("jax", "jaxlib", "numpy", "optax", "ray")


class Progress(Protocol):
    """Somebody who watches a run."""

    def phase(self, sentence: str) -> None:
        """Something began that takes a while."""

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """`step` of `steps` are done."""


@dataclass(frozen=True)
class RunResult:
    """The end of a run, as its last line says it."""

    run_uri: str
    steps: int
    loss: float
    lam: float
    seconds: float
    points: int


@dataclass(frozen=True)
class Company:
    """What a run has beside itself, as a trial of a sweep.

    Attributes:
        sinks: where its series go too; one that raises ends the run.
        shared: what it has in common with other runs.
    """

    sinks: Sequence[Sink] = ()
    shared: Shared = field(default_factory=Shared)


def run(config: RunConfig, progress: Progress, company: Company = Company()) -> RunResult:
    """Synthesise as configured, and leave a run folder.

    Args:
        config: the run; ``{time}`` in its `run_uri` is replaced by the time of the start.
        progress: told about phases and steps.
        company: other runs, and who listens.

    Raises:
        InputError: something given cannot be used; nothing existing was overwritten.
        NonFiniteObjectiveError: the objective left the finite numbers; the folder holds the run
            until then.
        CheckpointError: the last checkpoint or the images could not be saved where they belong.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    config = dataclasses.replace(config, run_uri=config.run_uri.replace("{time}", stamp))
    RunFolder.check_free(config.run_uri)
    return _carry_out(config, progress, None, company)


def resume(config: RunConfig, progress: Progress, company: Company = Company()) -> RunResult:
    """Go on with a run from its last checkpoint, on any number of workers.

    Args:
        config: the run's own, whose `run_uri` is its folder; steps, cluster, checkpoints and what
            is reported may differ.
        progress: told about phases and steps.
        company: other runs, and who listens.

    Raises:
        InputError: the configuration or the data are others, or there is nothing left to do.
        CheckpointError: there is no whole checkpoint.
        NonFiniteObjectiveError: as `run`.
    """
    folder = RunFolder.open(config.run_uri)
    before = configuration.decode(yaml.safe_load(folder.config_text()))
    if differences := configuration.differences(config, before):
        raise InputError(
            f"{config.run_uri} was started with another configuration ({'; '.join(differences)}): "
            "resume it as it was, or start another run"
        )
    with contextlib.ExitStack() as stack:
        progress.phase("looking for the last checkpoint")
        # Nobody else may go on with it from here on.
        past = stack.enter_context(resumption.begin(config))
        return _carry_out(config, progress, past, company)


def _carry_out(
    config: RunConfig, progress: Progress, past: Past | None, company: Company
) -> RunResult:
    """Start workers, take the steps that are left, write the results."""
    recorder = Recorder([], already=past.seconds if past else 0.0)
    progress.phase(f"starting workers on Ray ({config.cluster.address})")
    chosen = strategy_for(config)
    with recorder.phase("start"), ExitStack() as stack:
        group = stack.enter_context(open_group(chosen.worker, config, company.shared))
        ending = stack.pop_all()
    with ending:
        progress.phase("loading data and compiling")
        workers = Guarded(config, group, chosen(group, config))
        with recorder.phase("prepare"):
            prepared = workers.prepare()
            if past is not None:
                past.give_to(workers, prepared.data_fingerprint)
        first, seen = (past.step, past.seen(workers)) if past else (0, None)
        watcher = Watcher(config, workers, prepared.training, seen, first)
        # Only now: a run whose data cannot be read leaves no folder behind.
        folder = RunFolder(config.run_uri) if past else _created(config)
        writer = past.writer if past else resumption.writer_of(config, prepared.data_fingerprint)
        saver = Saver(config, writer, workers, first, lambda: watcher.kept, recorder.storing)
        ending.enter_context(saver)
        log = ending.enter_context(storage.AppendLog(folder.path(METRICS)))
        recorder.add(JsonlSink(log))
        if config.cluster.address != "none":
            recorder.add(ending.enter_context(_live(config, folder)), watches=True)
        for sink in company.sinks:
            recorder.add(sink)
        work = work_of(config, len(prepared.real), prepared.real.shape[1:], workers.exchange)
        started = Started(
            config, workers, folder, recorder, prepared, progress, saver, watcher, first, work
        )
        ended = _steps(started)
        distance = float(np.median(ended.finished.nearest_distance))
        recorder.record(ended.last, {"nearest_distance": distance})
        recorder.record_phases(ended.last)
        saver.secure(lambda: _save_images(started, ended), ended.finished.points)
    progress.phase("writing the report")
    return _conclude(started, ended)


def _live(config: RunConfig, folder: RunFolder) -> RayMetricsSink:
    kernel, coupling = _name_of(config.kernel), type(config.coupling).__name__.lower()
    return RayMetricsSink(
        folder.name, {"uri": config.run_uri, "kernel": kernel, "coupling": coupling}
    )


def _name_of(kernel: Kernel) -> str:
    return getattr(kernel, "name", type(kernel).__name__.lower())


def _created(config: RunConfig) -> RunFolder:
    return RunFolder.create(config.run_uri, configuration.dump(config))


@dataclass(frozen=True)
class Started:
    """A run with its workers prepared and its folder open; `first` steps were taken before."""

    config: RunConfig
    workers: Guarded
    folder: RunFolder
    recorder: Recorder
    prepared: Prepared
    progress: Progress
    saver: Saver
    watcher: Watcher
    first: int
    work: Work

    @property
    def points(self) -> int:
        """Generated rows of all sets."""
        count = self.config.points.count or len(self.prepared.real)
        return sets_of(self.config.coupling) * count

    def keeping(self) -> AbstractContextManager[None]:
        """A block whose writing, where it fails, leaves the rows on this machine."""
        return resumption.keeping(
            self.config.run_uri, lambda: self.config.data.shown(self.workers.points())
        )


@dataclass(frozen=True)
class Ended:
    """The rows that a run keeps: those of step `kept`, after it was at step `last`."""

    finished: Finished
    last: int
    kept: int


def _steps(run: Started) -> Ended:
    """The steps that are left, in blocks that end where a record, picture or checkpoint is due."""
    config, step, name = run.config, run.first, "first steps, with compilation"
    if step == 0:
        run.folder.write_real(config.data.shown(run.prepared.training))
        _picture(run, step)
    while step < config.steps and run.watcher.reason is None:
        # A signal waits for the record too: a state that is saved without it would lose it.
        with deferred():
            step = _one_block(run, step, name)
        name = "steps"
    with run.recorder.phase("finish"):
        kept = run.watcher.restore_kept(step)
        if kept != step:
            _picture(run, kept)
        return Ended(run.workers.finish(), step, kept)


def _one_block(run: Started, step: int, name: str) -> int:
    """Take a block of steps from `step`, and draw, record and save what is due; the step then."""
    config, began = run.config, run.recorder.elapsed_seconds()
    with run.recorder.phase(name):
        report = _advanced(run, step)
    step += len(report.loss)
    seconds = run.recorder.elapsed_seconds() - began
    # First: whoever follows the records may end the run at one of them.
    if is_drawn := step % config.sample_every == 0 or step == config.steps:
        _picture(run, step)
    _record(run, step, report, seconds)
    is_last = step == config.steps or run.watcher.reason is not None
    if is_last and not is_drawn:
        _picture(run, step)
    if run.saver.is_due(step) or is_last:
        with run.recorder.phase("checkpoints"):
            run.saver.save(step)
    return step


def _advanced(run: Started, step: int) -> StepReport:
    """A block of steps; where the objective is not finite, whoever watches is told so."""
    try:
        return run.workers.advance(_block(run.config, step, run.watcher))
    except NonFiniteObjectiveError:
        run.recorder.record(step, {"non_finite_steps": 1})
        raise


def _block(config: RunConfig, step: int, watcher: Watcher) -> int:
    """Steps until the next record, picture, check, checkpoint or the end, whichever is first."""
    due = [every - step % every for every in (config.report_every, config.sample_every)]
    if (until := watcher.until_due(step)) is not None:
        due.append(until)
    if (until := config.checkpoints.until_due(step)) is not None:
        due.append(until)
    return min(config.steps - step, *due)


def _record(run: Started, step: int, report: StepReport, seconds: float) -> None:
    steps_per_second = len(report.loss) / seconds
    images_per_second = steps_per_second * run.points
    series = report._asdict().items()
    values = {name: float(each[-1]) for name, each in series if each.ndim == 1}
    values |= {
        "loss_per_real": values["loss"] / run.prepared.gram_real,
        "steps_per_second": steps_per_second,
        "images_per_second": images_per_second,
        "pairs_per_second": steps_per_second * run.work.pairs,
        "bytes_moved": step * run.work.moved_bytes,
        "steps_planned": run.config.steps,
        "worker_restarts": run.workers.restarts,
        **run.saver.numbers(),
    }
    if run.watcher.is_due(step):
        with run.recorder.phase("checks"):
            values |= run.watcher.look(step, values)
    run.recorder.record(step, values)
    for level, found in zip(run.config.levels, level_values(report), strict=True):
        run.recorder.record(step, found, {"level": str(level.side)})
    run.saver.note_recorded(step)
    run.recorder.observe("step_seconds", 1 / steps_per_second)
    run.progress.step(step, run.config.steps, values["loss_per_real"], images_per_second)


def _picture(run: Started, step: int) -> None:
    with run.recorder.phase("pictures"):
        training = run.config.data.shown(run.prepared.training)
        points = run.config.data.shown(run.workers.points())
        with run.keeping():
            run.folder.write_samples(step, points, reference=training)
        distance = _distance(points, training)
        run.recorder.record(step, {"nearest_distance": distance})
        for worker, used in enumerate(run.workers.memory()):
            run.recorder.record(step, {"device_memory_bytes": used}, {"worker": str(worker)})
        with run.keeping():
            run.recorder.flush()


def _distance(points: np.ndarray, training: np.ndarray) -> float:
    """Median distance to the nearest training row, of as many rows as half a second allows."""
    affordable = int(np.clip(_PICTURE_WORK // max(training.size, 1), _FEWEST, _MOST))
    return float(np.median(nearest(points[:affordable], training).distance))


def _save_images(run: Started, ended: Ended) -> None:
    finished = ended.finished
    run.folder.write_images(
        finished.points,
        step=ended.kept,
        seed=run.config.seed,
        d=finished.d,
        nearest_real=finished.nearest_real,
        nearest_distance=finished.nearest_distance,
        nearest_ssim=finished.nearest_ssim,
        worker=finished.worker,
    )


def _conclude(run: Started, ended: Ended) -> RunResult:
    """Write the result and the report."""
    finished = ended.finished
    result = RunResult(
        run_uri=run.config.run_uri,
        steps=ended.kept,
        loss=finished.loss,
        lam=finished.lam,
        seconds=round(run.recorder.elapsed_seconds(), 3),
        points=len(finished.points),
    )
    run.folder.write_result(dataclasses.asdict(result) | _details(run, ended))
    _log.info("report at %s", report.write(run.config.run_uri))
    return result


def _details(run: Started, ended: Ended) -> dict[str, Any]:
    """What `result.json` says beyond the last line of a run."""
    config, phases, finished = run.config, run.recorder.phase_seconds(), ended.finished
    taken = ended.last - run.first - _block(config, run.first, run.watcher)
    speed = taken * len(finished.points) / phases["steps"] if taken > 0 else None
    return {
        "loss_per_real": finished.loss / run.prepared.gram_real,
        "images_per_second": speed,
        "phase_seconds": phases,
        "seed": config.seed,
        "kernel": _name_of(config.kernel),
        "data": run.prepared.data_name,
        "data_fingerprint": run.prepared.data_fingerprint,
        "config_fingerprint": configuration.fingerprint(config),
        "machine": {
            "device": run.prepared.device,
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": _versions(),
        **run.watcher.summary(ended.last, ended.kept),
    }


def _versions() -> dict[str, str]:
    found = {"ganntk": __version__}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
