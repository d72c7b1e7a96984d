"""Checkpoints written beside the steps, one at a time, the newest first. Layer 4."""

import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganntk import storage
from ganntk.checkpoint import store, trees
from ganntk.checkpoint.lease import Lease
from ganntk.checkpoint.manifest import Manifest
from ganntk.checkpoint.policy import Checkpoints, superseded
from ganntk.errors import CheckpointError

_log = logging.getLogger(__name__)

LEASE = "writer.json"
_STAGING = "ganntk-staging-"


@dataclass(frozen=True)
class Job:
    """A state to be written, an earlier one that goes with it, and what is done before."""

    step: int
    tree: Any
    is_temporary: bool
    kept: tuple[int, Any] | None
    first: Callable[[], None]


@dataclass(frozen=True)
class Progress:
    """What a writer has done.

    Attributes:
        step: of the last commit, or -1.
        committed: monotonic seconds of it, or of the start.
        bytes: of all commits.
        failures: saves that came to nothing.
    """

    step: int
    committed: float
    bytes: int
    failures: int


class Writer:
    """The one writer of a run's checkpoints: a thread, and a queue of one.

    A step waits for no upload, and a second thread renews the lease, however long one takes. When
    states come faster than they can be written, the newest wins.

    Args:
        run_uri: the run's folder.
        policy: what to keep.
        fingerprint: of the configuration.
        data_fingerprint: of the real rows.

    Raises:
        InputError: another run writes there.
    """

    def __init__(
        self, run_uri: str, policy: Checkpoints, *, fingerprint: str, data_fingerprint: str
    ) -> None:
        self._run_uri, self._policy = run_uri, policy
        self._fingerprints = fingerprint, data_fingerprint
        lease = storage.join(run_uri, store.FOLDER, LEASE)
        self._lease = Lease(lease, policy.lease_seconds)
        self._lease.acquire()
        store.clean(run_uri)
        _remove_abandoned(policy.staging)
        self.progress = Progress(-1, time.monotonic(), 0, 0)
        self._failure: Exception | None = None
        self._lost = False
        self._next: Job | None = None
        self._is_busy = self._is_closing = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="checkpoints", daemon=True)
        self._thread.start()
        self._ended = threading.Event()
        self._renewals = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._renewals.start()

    def save(
        self,
        step: int,
        tree: Any,
        *,
        is_temporary: bool = False,
        kept: tuple[int, Any] | None = None,
        first: Callable[[], None] = lambda: None,
    ) -> None:
        """Have a state written; returns at once.

        Args:
            step: optimiser steps taken.
            tree: of NumPy arrays that nobody changes from now on.
            is_temporary: whether it goes once the next one is committed.
            kept: an earlier step and its state, which are part of this checkpoint.
            first: what is to be stored before it; where that fails, the state is not committed.

        Raises:
            CheckpointError: another run took the folder over.
        """
        with self._condition:
            if self._lost:
                raise self._error()
            if self._next is not None:
                _log.warning(
                    "checkpoint of step %d was not written: that of step %d is newer, and the one "
                    "before is still on its way to %s",
                    self._next.step,
                    step,
                    self._run_uri,
                )
            self._next = Job(step, tree, is_temporary, kept, first)
            self._condition.notify_all()

    def wait(self, timeout: float | None = None) -> None:
        """Wait until everything is written, at most so many seconds.

        Raises:
            CheckpointError: the last state could not be written.
        """
        with self._condition:
            self._condition.wait_for(lambda: self._next is None and not self._is_busy, timeout)
            if self._failure is not None:
                raise self._error()

    def close(self, timeout: float | None = None) -> None:
        """Wait, and let others write.

        Raises:
            CheckpointError: the last state could not be written.
        """
        if self._is_closing:
            return
        try:
            self.wait(timeout)
        finally:
            with self._condition:
                self._is_closing = True
                self._condition.notify_all()
            self._thread.join(timeout)
            self._ended.set()
            self._renewals.join(timeout)
            # One that still waits for the store would write there again: the lease runs out then.
            is_quiet = not self._thread.is_alive() and not self._renewals.is_alive()
            if not self._lost and is_quiet:
                _quietly(self._lease.release)

    def _error(self) -> CheckpointError:
        if isinstance(self._failure, CheckpointError):
            return self._failure
        error = CheckpointError(
            f"the checkpoint for {self._run_uri} could not be written ({_line(self._failure)}): "
            f"the last one that was is of step {self.progress.step}; look at the store, then "
            "resume"
            if self.progress.step >= 0
            else f"no checkpoint could be written to {self._run_uri} ({_line(self._failure)}): "
            "look at the store and at the staging folder, then start again"
        )
        error.__cause__ = self._failure
        return error

    def _work(self) -> None:
        """Write what comes."""
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._next or self._is_closing)
                job, self._next = self._next, None
                if job is None:
                    return
                self._is_busy = True
            try:
                self._lease.check()
                self._write(job)
                with self._condition:
                    if not self._lost:
                        self._failure = None
            except Exception as error:  # noqa: BLE001 (whatever it is, the run must hear of it)
                self._note(error, job)
            finally:
                with self._condition:
                    self._is_busy = False
                    self._condition.notify_all()

    def _renew(self) -> None:
        """Say now and then that this run is still here."""
        while not self._lost and not self._ended.wait(self._policy.lease_seconds / 3):
            try:
                self._lease.renew()
            except Exception as error:  # noqa: BLE001 (the run must hear of it, and goes on)
                self._note(error, None)

    def _note(self, error: Exception, job: Job | None) -> None:
        is_lost = isinstance(error, CheckpointError) and not self._is_ours()
        if job is None and not is_lost:
            _log.warning("the lease of %s was not renewed: %s", self._run_uri, _line(error))
            return
        _log.warning("checkpoint for %s failed: %s", self._run_uri, _line(error))
        with self._condition:
            self._lost = self._lost or is_lost
            self._failure = error
            past = self.progress
            self.progress = Progress(past.step, past.committed, past.bytes, past.failures + 1)

    def _is_ours(self) -> bool:
        try:
            self._lease.check()
        except CheckpointError:
            return False
        except Exception:  # noqa: BLE001 (a store that does not answer took nothing over)
            return True
        return True

    def _write(self, job: Job) -> None:
        """Stage, hash, upload, commit, and remove what has had its time."""
        job.first()
        staging = _staging_folder(self._policy.staging, job)
        try:
            trees.write(os.path.join(staging, store.TREE), job.tree)
            if job.kept is not None:
                step, tree = job.kept
                trees.write(os.path.join(staging, f"{store.KEPT}{step:08d}"), tree)
            fingerprint, data_fingerprint = self._fingerprints
            manifest = Manifest(
                step=job.step,
                fingerprint=fingerprint,
                data_fingerprint=data_fingerprint,
                is_temporary=job.is_temporary,
                created=time.time(),
                writer=self._lease.writer,
                files=store.describe(staging),
            )
            found = store.upload(self._run_uri, staging, manifest)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        self._lease.check()
        store.commit(found)
        before = self.progress
        total = before.bytes + manifest.size
        self.progress = Progress(job.step, time.monotonic(), total, before.failures)
        _log.info("checkpoint of step %d is at %s", job.step, found.uri)
        self._retain(found)

    def _retain(self, newest: store.Found) -> None:
        found = store.listed(self._run_uri)
        kinds = [(each.step, each.manifest.is_temporary) for each in found]
        gone = superseded(kinds, keep=self._policy.keep, keep_every=self._policy.keep_every)
        for each in found:
            # Of a step that was written again, as after a damage, the older one goes.
            is_replaced = each.step == newest.step and each.uri != newest.uri
            if each.step in gone or is_replaced:
                store.remove(each)


def _staging_folder(parent: str | None, job: Job) -> str:
    """A local folder with room for the states of a job."""
    parent = parent or tempfile.gettempdir()
    os.makedirs(parent, exist_ok=True)
    states = [job.tree] if job.kept is None else [job.tree, job.kept[1]]
    needed = sum(leaf.nbytes for tree in states for leaf in trees.flattened(tree).values())
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise OSError(
            f"the staging folder {parent} has {free} bytes free and a checkpoint takes {needed}: "
            "make room, or choose another with checkpoints.staging"
        )
    return tempfile.mkdtemp(prefix=f"{_STAGING}{os.getpid()}-", dir=parent)


def _remove_abandoned(parent: str | None) -> None:
    """Remove staging folders of processes that are gone."""
    parent = parent or tempfile.gettempdir()
    if not os.path.isdir(parent):
        return
    for name in os.listdir(parent):
        pid = name.removeprefix(_STAGING).partition("-")[0]
        if name.startswith(_STAGING) and pid.isdecimal() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(os.path.join(parent, name), ignore_errors=True)


def _quietly(call: Any) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 (the lease ends by itself)
        _log.warning("the lease was not released: %s", _line(error))


def _line(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    return text[:300] or type(error).__name__
