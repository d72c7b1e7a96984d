"""A run's state on storage: saved while it goes, taken up when it goes on. Layer 6."""

import contextlib
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from ganntk import config as configuration
from ganntk import storage
from ganntk.checkpoint import store
from ganntk.checkpoint.trees import Leaves, rebuilt
from ganntk.checkpoint.writer import Writer
from ganntk.config import RunConfig
from ganntk.distributed.guarded import Guarded
from ganntk.distributed.recovery import WorkerFailureError
from ganntk.distributed.watching import Seen
from ganntk.errors import CheckpointError, InputError
from ganntk.run_folder import RunFolder

_log = logging.getLogger(__name__)

# After an interruption: spot instances give two minutes, `ray job stop` three seconds.
_LAST_SECONDS = 30.0


@dataclass(frozen=True)
class Past:
    """A run that goes on.

    Attributes:
        step: optimiser steps taken.
        seconds: that it had taken.
        writer: of its next checkpoints.
    """

    step: int
    seconds: float
    writer: Writer
    _leaves: Leaves
    _data_fingerprint: str
    _kept: tuple[int, Leaves] | None
    _records: Sequence[Mapping[str, Any]]

    def give_to(self, workers: Guarded, data_fingerprint: str) -> None:
        """Bring prepared workers to where the run was.

        Raises:
            InputError: the real rows are others.
            CheckpointError: the state is of another run.
        """
        if data_fingerprint != self._data_fingerprint:
            raise InputError(
                "the real rows are not those that the run was started with: restore the data, or "
                "start another run"
            )
        workers.restore(self.step, rebuilt(self._leaves, workers.state()))

    def seen(self, workers: Guarded) -> Seen:
        """What a run that is watched knew at that step.

        Args:
            workers: prepared, whose state tells what one is made of.

        Raises:
            CheckpointError: the state that was kept is of another run.
        """
        if self._kept is None:
            return Seen(self._records, None)
        step, leaves = self._kept
        return Seen(self._records, (step, rebuilt(leaves, workers.state())))


def writer_of(config: RunConfig, data_fingerprint: str) -> Writer:
    """The writer of a run's checkpoints."""
    return Writer(
        config.run_uri,
        config.checkpoints,
        fingerprint=configuration.fingerprint(config),
        data_fingerprint=data_fingerprint,
    )


@contextlib.contextmanager
def begin(config: RunConfig) -> Iterator[Past]:
    """Take a run up from its newest whole checkpoint.

    Raises:
        InputError: another run writes there, or all steps are taken.
        CheckpointError: there is no whole checkpoint.
    """
    folder = RunFolder.open(config.run_uri)
    found, leaves = store.restore(config.run_uri, staging=config.checkpoints.staging)
    if found.manifest.fingerprint != configuration.fingerprint(config):
        raise InputError(
            f"the checkpoint {found.uri} was written for another configuration, or by another "
            "version of ganntk: start another run"
        )
    if found.step > config.steps or (found.step == config.steps and folder.read_result()):
        raise InputError(
            f"{config.run_uri} has taken {found.step} steps, and steps is {config.steps}: give it "
            "more with --steps N"
        )
    before = configuration.decode(yaml.safe_load(folder.config_text()))
    # What another rule looked at and kept is nothing to this one.
    is_same_rule = before.stopping == config.stopping
    staging = config.checkpoints.staging
    kept = store.kept_in(found, staging=staging) if is_same_rule else None
    writer = writer_of(config, found.manifest.data_fingerprint)
    try:
        seconds = folder.cut(found.step, configuration.dump(config))
        fingerprint = found.manifest.data_fingerprint
        records = folder.read_metrics() if is_same_rule else []
        yield Past(found.step, seconds, writer, leaves, fingerprint, kept, records)
    finally:
        writer.close(_LAST_SECONDS)


@contextlib.contextmanager
def keeping(run_uri: str, points: Callable[[], np.ndarray]) -> Iterator[None]:
    """Save rows in a temporary file of this machine where the enclosed writing fails.

    Args:
        run_uri: what is written to.
        points: the rows.

    Raises:
        CheckpointError: the store does not take what is written; the sentence says where the rows
            are.
    """
    try:
        yield
    except Exception as error:  # (what drivers of stores raise has no common class)
        rows = points()
        with tempfile.NamedTemporaryFile(
            prefix="ganntk-images-", suffix=".npy", delete=False
        ) as stream:
            np.save(stream, rows)
        text = str(error)
        if not isinstance(error, InputError | CheckpointError):
            text = f"{run_uri} cannot be written ({storage.reason(error)}): look at the store"
        raise CheckpointError(
            f"{text}; the images are saved in {stream.name}, as an array of shape {rows.shape}"
        ) from error


class Saver:
    """Saves the state of a run; a context that leaves no state on its way behind.

    Args:
        config: the run.
        writer: of its checkpoints.
        workers: whose state it is.
        step: where the run starts.
        kept: the step and state that a rule keeps at this moment, or None.
        storing: what makes the records of a moment durable. They go first: a state without them
            would lose what a stopping rule has seen.
    """

    def __init__(
        self,
        config: RunConfig,
        writer: Writer,
        workers: Guarded,
        step: int,
        kept: Callable[[], tuple[int, Any] | None],
        storing: Callable[[], Callable[[], None]],
    ) -> None:
        self._config, self._writer, self._workers, self._kept = config, writer, workers, kept
        self._storing = storing
        self._saved, self._saved_at = step, time.monotonic()
        self._recorded = step

    def note_recorded(self, step: int) -> None:
        """What happened until `step` is in the metrics: its state may be saved."""
        self._recorded = step

    def is_due(self, step: int) -> bool:
        """Whether the state is to be saved after so many steps."""
        return self._is_lasting(step) or self._is_temporary(step)

    def save(self, step: int) -> None:
        """Hand the state over; the upload goes on beside the next steps.

        Raises:
            CheckpointError: another run took the folder over.
        """
        is_temporary = not self._is_lasting(step)
        self._hand_over(step, self._workers.state(), is_temporary=is_temporary)
        self._saved, self._saved_at = step, time.monotonic()

    def numbers(self) -> dict[str, float]:
        """What the telemetry says of checkpoints."""
        progress = self._writer.progress
        return {
            "checkpoint_step": progress.step,
            "checkpoint_age_seconds": time.monotonic() - progress.committed,
            "checkpoint_bytes": progress.bytes,
            "checkpoint_failures": progress.failures,
        }

    def secure(self, save_images: Callable[[], None], points: np.ndarray) -> None:
        """Save the images and wait for the last checkpoint.

        Raises:
            CheckpointError: the store does not take them; the sentence says where the images are.
        """
        with keeping(self._config.run_uri, lambda: points):
            save_images()
            self._writer.close()

    def __enter__(self) -> "Saver":
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt | SystemExit):
            with contextlib.suppress(CheckpointError, WorkerFailureError):
                step, state = self._workers.last_state()
                # A second signal may come between a block and its record.
                if self._saved < step <= self._recorded:
                    _log.warning("interrupted: saving the state of step %d", step)
                    self._hand_over(step, state)
        try:
            self._writer.close(_LAST_SECONDS)
        except CheckpointError as error:
            if kind is None:
                raise
            _log.warning("%s", error)

    def _hand_over(self, step: int, state: Any, *, is_temporary: bool = False) -> None:
        """Have a state written, with the one that is kept where that is another."""
        kept = self._kept()
        if kept is not None and kept[0] >= step:
            kept = None
        self._writer.save(step, state, is_temporary=is_temporary, kept=kept, first=self._storing())

    def _is_lasting(self, step: int) -> bool:
        every = self._config.checkpoints.every
        return step == self._config.steps or (every > 0 and step % every == 0)

    def _is_temporary(self, step: int) -> bool:
        seconds = self._config.checkpoints.seconds
        return seconds > 0 and time.monotonic() - self._saved_at >= seconds
