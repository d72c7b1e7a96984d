"""What experiments do with runs: carry them out, by stages, and take their rows. Layer 7."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float32

from ganntk import config, images, storage
from ganntk.config import RunConfig
from ganntk.distributed.driver import Progress, resume, run
from ganntk.errors import InputError
from ganntk.run_folder import CONFIG, RunFolder

Rows = Float32[np.ndarray, "rows ..."]

_FEWEST = 16


def ended(
    given: RunConfig, uri: str, progress: Progress, values: Mapping[str, Any] = MappingProxyType({})
) -> Rows:
    """Carry a run out, and the rows it leaves; one that has ended in its folder is taken as it is.

    Args:
        given: the run.
        uri: its folder.
        progress: told about phases and steps.
        values: dotted keys that differ.
    """
    wanted = config.with_values(given, {**values, "run_uri": uri})
    path = storage.join(uri, CONFIG)
    if not storage.exists(path):
        run(wanted, progress)
    elif not _has_ended(wanted):
        resume(wanted, progress)
    return rows_of(uri)


def _has_ended(wanted: RunConfig) -> bool:
    """Whether the run's folder has the end of the same run."""
    folder = RunFolder.open(wanted.run_uri)
    there = config.load(folder.path(CONFIG), ["--run_uri", wanted.run_uri])
    is_same = config.fingerprint(there) == config.fingerprint(wanted)
    return is_same and there.steps == wanted.steps and folder.read_result() is not None


def by_stages(
    given: RunConfig, uri: str, marks: Sequence[int], progress: Progress
) -> Iterator[tuple[int, Rows]]:
    """A run that is resumed from mark to mark, and its rows at each.

    Args:
        given: the run; its last step is the last mark.
        uri: its folder.
        marks: rising steps.
        progress: told about phases and steps.
    """
    for i, mark in enumerate(marks):
        part = dataclasses.replace(given, run_uri=uri, steps=mark)
        (resume if i else run)(part, progress)
        yield mark, rows_of(uri)


def rows_of(uri: str) -> Rows:
    """The generated rows of a run that has ended."""
    found = RunFolder.open(uri).read_images()
    if found is None:
        raise InputError(f"the run in {uri} has saved no rows: look at its log")
    return found.rows


def held_out_of(given: RunConfig, name: str, real: Rows) -> Rows:
    """The fresh rows of a plan, without those that are real rows of the run.

    Raises:
        InputError: it names none, or too few are left.
    """
    if given.stopping.held_out is None:
        raise InputError(
            f"the experiment {name} needs stopping.held_out: real rows to compare with"
        )
    known = {row.tobytes() for row in real}
    found = [row for row in given.stopping.held_out.load().rows if row.tobytes() not in known]
    if len(found) < _FEWEST:
        raise InputError(
            f"{len(found)} held-out rows are no rows of the run: the experiment {name} needs at "
            f"least {_FEWEST}"
        )
    return np.stack(found)


def sheet(rows: Rows, columns: int, lines: int) -> np.ndarray:
    """The first images as a picture in [0, 1]."""
    return images.grid(rows[: columns * lines], columns=columns) / np.float32(255)
