"""Committed checkpoints below a run's folder: list, verify, restore, commit, remove. Layer 4."""

import dataclasses
import logging
import os
import re
import tempfile
from dataclasses import dataclass

from ganntk import storage
from ganntk.checkpoint import trees
from ganntk.checkpoint.manifest import MANIFEST, File, Manifest
from ganntk.errors import CheckpointError

_log = logging.getLogger(__name__)

FOLDER = "checkpoints"
TREE = "tree"
KEPT = "kept-"
_NAME = re.compile(r"\d{8,}(-\d+)?")


@dataclass(frozen=True)
class Found:
    """A committed checkpoint and its place.

    Attributes:
        uri: its folder.
        manifest: what it says of itself.
    """

    uri: str
    manifest: Manifest

    @property
    def step(self) -> int:
        """Optimiser steps taken."""
        return self.manifest.step


def listed(run_uri: str) -> list[Found]:
    """The committed checkpoints of a run, oldest step first.

    A folder without a manifest is none; one whose manifest is damaged is left out, with a warning.

    Raises:
        OSError: the store cannot be read.
    """
    found = []
    for name in _folders(run_uri):
        uri = storage.join(run_uri, FOLDER, name)
        try:
            manifest = _manifest_of(uri)
        except CheckpointError as error:
            _log.warning("%s", error)
            continue
        if manifest is not None:
            found.append(Found(uri, manifest))
    return sorted(found, key=lambda each: (each.step, each.manifest.created))


def latest(run_uri: str) -> Found | None:
    """The committed checkpoint of the most steps, not yet verified."""
    found = listed(run_uri)
    return found[-1] if found else None


def verify(found: Found) -> None:
    """Read every file of a checkpoint and compare it with the manifest.

    Raises:
        CheckpointError: a file is missing or was changed; the sentence names it.
        OSError: the store cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="ganntk-verify-") as folder:
        _fetch(found, folder)


def restore(
    run_uri: str, *, staging: str | None = None, step: int | None = None
) -> tuple[Found, trees.Leaves]:
    """The newest checkpoint that is whole, every file compared with its manifest.

    Args:
        run_uri: the run's folder.
        staging: a local folder for the files on their way.
        step: which one; None for the newest.

    Returns:
        Its place, and its arrays by path; `rebuilt` makes the state of them.

    Raises:
        CheckpointError: there is none, or none is whole: the sentence names what is damaged.
        OSError: the store cannot be read.
    """
    found, damages = listed(run_uri), []
    if step is not None:
        steps = [each.step for each in found]
        found = [each for each in found if each.step == step]
        if not found:
            raise CheckpointError(
                f"{run_uri} has no checkpoint of step {step}: there are {steps or 'none'}"
            )
    for each in reversed(found):
        try:
            with _on_their_way(staging) as folder:
                _fetch(each, folder)
                return each, trees.read(os.path.join(folder, TREE))
        except CheckpointError as error:
            damages.append(str(error))
            _log.warning("%s; looking for an older checkpoint", error)
    if damages:
        raise CheckpointError(
            f"no checkpoint of {run_uri} is whole: {damages[0]}; start again from a copy of the "
            "folder, or with another run_uri"
        )
    raise CheckpointError(
        f"{run_uri} has no checkpoint: the run ended before its first one; start it again with "
        "another run_uri"
    )


def kept_in(found: Found, *, staging: str | None = None) -> tuple[int, trees.Leaves] | None:
    """The state of an earlier step that a checkpoint holds beside its own.

    Args:
        found: the checkpoint.
        staging: a local folder for the files on their way.

    Returns:
        The step and its arrays by path, or None where there is no such state.

    Raises:
        CheckpointError: a file is missing or was changed; the sentence names it.
        OSError: the store cannot be read.
    """
    files = tuple(file for file in found.manifest.files if file.path.startswith(KEPT))
    if not files:
        return None
    name = files[0].path.partition("/")[0]
    part = Found(found.uri, dataclasses.replace(found.manifest, files=files))
    with _on_their_way(staging) as folder:
        _fetch(part, folder)
        return int(name.removeprefix(KEPT)), trees.read(os.path.join(folder, name))


def describe(folder: str) -> tuple[File, ...]:
    """Path, size and hash of every file of a local folder."""
    found = []
    for path in storage.files_below(folder):
        full = os.path.join(folder, path)
        found.append(File(path, os.path.getsize(full), storage.sha256_of(full)))
    return tuple(found)


def upload(run_uri: str, folder: str, manifest: Manifest) -> Found:
    """Copy a local folder's files; nothing of it counts until `commit`.

    Raises:
        OSError: the store does not take it.
    """
    uri = _free(run_uri, manifest.step)
    for file in manifest.files:
        target = storage.join(uri, file.path)
        source = os.path.join(folder, file.path)
        storage.patiently(lambda s=source, t=target: storage.put_file(s, t), f"upload of {target}")
        if (size := storage.size_of(target)) != file.size:
            raise OSError(f"{target} has {size} bytes after the upload of {file.size}")
    return Found(uri, manifest)


def commit(found: Found) -> None:
    """Write the manifest: from now on it is a checkpoint."""
    uri = storage.join(found.uri, MANIFEST)
    text = found.manifest.to_json()
    storage.patiently(lambda: storage.write_text(uri, text), f"commit of {found.uri}")


def remove(found: Found) -> None:
    """Remove a checkpoint, the manifest first."""
    storage.remove(storage.join(found.uri, MANIFEST))
    storage.remove(found.uri)


def clean(run_uri: str) -> None:
    """Remove what was never committed: of the writer alone."""
    for name in _folders(run_uri):
        uri = storage.join(run_uri, FOLDER, name)
        path = storage.join(uri, MANIFEST)
        if not storage.patiently(lambda p=path: storage.exists(p), f"looking for {path}"):
            _log.info("removing %s, which was never committed", uri)
            storage.remove(uri)


def _folders(run_uri: str) -> list[str]:
    return [
        name for name in storage.folders_in(storage.join(run_uri, FOLDER)) if _NAME.fullmatch(name)
    ]


def _free(run_uri: str, step: int) -> str:
    """A folder for a step that has none of that name, committed or not."""
    taken, name, number = set(_folders(run_uri)), f"{step:08d}", 1
    while name in taken:
        number += 1
        name = f"{step:08d}-{number}"
    return storage.join(run_uri, FOLDER, name)


def _manifest_of(uri: str) -> Manifest | None:
    path = storage.join(uri, MANIFEST)
    content = storage.read_if_there(path)
    return None if content is None else Manifest.from_json(content, path)


def _on_their_way(staging: str | None) -> tempfile.TemporaryDirectory[str]:
    """A local folder for files; another machine may not have the parent yet."""
    if staging is not None:
        os.makedirs(staging, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="ganntk-restore-", dir=staging)


def _fetch(found: Found, folder: str) -> None:
    """Copy a checkpoint's files to a local folder, each compared with the manifest."""
    for file in found.manifest.files:
        uri, path = storage.join(found.uri, file.path), os.path.join(folder, file.path)
        try:
            storage.patiently(lambda u=uri, p=path: storage.get_file(u, p), f"download of {uri}")
        except FileNotFoundError as error:
            raise CheckpointError(_damage(uri, "is missing")) from error
        if (size := os.path.getsize(path)) != file.size:
            raise CheckpointError(_damage(uri, f"has {size} bytes instead of {file.size}"))
        if storage.sha256_of(path) != file.sha256:
            raise CheckpointError(_damage(uri, "was changed: its SHA-256 is not the manifest's"))


def _damage(uri: str, what: str) -> str:
    return f"{uri} {what}: this checkpoint cannot be used; restore the file from a copy"
