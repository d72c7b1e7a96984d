"""What experiments do with runs: carry them out, by stages, and take their rows. Layer 7."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float32

from ganntk import config, images
from ganntk.config import RunConfig
from ganntk.distributed.driver import Progress, resume, run
from ganntk.errors import InputError
from ganntk.run_folder import RunFolder

Rows = Float32[np.ndarray, "rows ..."]

_FEWEST = 16


def ended(
    given: RunConfig, uri: str, progress: Progress, values: Mapping[str, Any] = MappingProxyType({})
) -> Rows:
    """Carry a run out, and the rows it leaves.

    Args:
        given: the run.
        uri: its folder.
        progress: told about phases and steps.
        values: dotted keys that differ.
    """
    run(config.with_values(given, {**values, "run_uri": uri}), progress)
    return rows_of(uri)


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
