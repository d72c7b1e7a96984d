"""The one catalogue of series: name, kind, unit, labels, meaning. Layer 4."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True)
class SeriesSpec:
    """One declared series.

    Attributes:
        name: its key in records; lower case, with the unit where it has one.
        kind: gauge (a level), counter (a total so far) or histogram (single observations).
        unit: the unit as written on an axis; empty for a pure number.
        labels: the names of the labels that every record of the series carries.
        meaning: one sentence for a person who reads a dashboard.
    """

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str


LIVE = (
    "run_active",
    "run_info",
    "recorded_timestamp_seconds",
    "checkpoint_timestamp_seconds",
    "quality_timestamp_seconds",
)
"""What a monitoring system needs besides; the run folder says it with its files."""

# One line for each: name, kind, unit, labels, meaning. Labels are few and bounded: a rank, a phase.
_TABLE = """
step | counter | steps | | Optimiser steps taken.
elapsed_seconds | counter | s | | Wall time since the recorder started.
steps_planned | gauge | steps | | Optimiser steps that the run is to take.
loss | gauge | | | The objective over all real and generated rows.
loss_per_real | gauge | | | The objective divided by the number of real rows.
d_real | gauge | | | Mean discriminator value on the real rows.
d_points | gauge | | | Mean discriminator value on the generated rows.
d_held_out | gauge | | | Mean discriminator value on real rows that the run does not learn from.
non_finite_steps | counter | | | Steps whose objective was not finite: the run ends there.
gradient_norm | gauge | | | Euclidean norm of the gradient of what is optimised.
lam | gauge | | | Training time of the discriminator.
eigenvalue_min | gauge | | | Smallest eigenvalue seen of the Gram matrix.
eigenvalue_max | gauge | | | Largest eigenvalue seen of the Gram matrix.
products | gauge | | | Products with a vector that the solver took; 0 for eigh.
residual | gauge | | | Relative error of exp(-lam K) by the solver's own estimate.
level_loss | gauge | | level | The objective of one resolution, by the side of its images.
level_lam | gauge | | level | Training time of the discriminator of one resolution.
level_weight | gauge | | level | Weight of a resolution's objective in the sum.
am_ssim | gauge | | | Mean similarity of generated images to their nearest real one.
memorisation | gauge | | | 0.5: as near to real rows as fresh ones; 1: copies.
held_out_distance | gauge | | | Kernel distance of generated to held-out rows.
steps_per_second | gauge | 1/s | | Optimiser steps a second of late.
images_per_second | gauge | 1/s | | Generated rows updated a second of late.
pairs_per_second | gauge | 1/s | | Pairs of rows whose kernel was evaluated, a second of late.
bytes_moved | counter | bytes | | Bytes between workers and driver, counted from shapes.
step_seconds | histogram | s | | Wall time of a step, the mean over a block of steps.
worker_restarts | counter | | | Workers that were lost and replaced.
device_memory_bytes | gauge | bytes | worker | Memory in use on a GPU; of the process on a CPU.
checkpoint_step | gauge | steps | | Step of the last committed checkpoint; -1: none.
checkpoint_age_seconds | gauge | s | | Time since the last committed checkpoint.
checkpoint_bytes | counter | bytes | | Bytes of all committed checkpoints.
checkpoint_failures | counter | | | Checkpoints that came to nothing.
nearest_distance | gauge | | | Median distance of generated rows to the nearest real one.
phase_duration_seconds | histogram | s | phase | Wall time of a named phase, each time it was there.
phase_seconds | counter | s | phase | Wall time spent in a named phase.
quality | gauge | | features measure rows | What `ganntk evaluate` measured, of generated rows.
trials | gauge | | state | Trials of a sweep by state.
trial_best | gauge | | measure | Best value so far of the measure that a sweep is after.
trial_front | gauge | | measure point | A measure of a point of a sweep's front, at most 20 points.
run_active | gauge | | | 1 while a run is on, 0 when it ends; gone 20 s after its driver.
run_info | gauge | | coupling kernel uri | Always 1: says what a run is and where its folder lies.
recorded_timestamp_seconds | gauge | s | | Time of the last record of steps, or of the start.
checkpoint_timestamp_seconds | gauge | s | | Time of the last checkpoint, or of the start.
quality_timestamp_seconds | gauge | s | features | Time of an evaluation: the newest one counts.
"""


def _parsed(lines: Iterable[str]) -> Mapping[str, SeriesSpec]:
    """The specs by name."""
    found = {}
    for line in lines:
        name, kind, unit, labels, meaning = (cell.strip() for cell in line.split("|"))
        if kind not in ("gauge", "counter", "histogram"):
            raise ValueError(f"series {name} is a {kind}")
        found[name] = SeriesSpec(name, kind, unit, tuple(labels.split()), meaning)
    return found


CATALOGUE: Mapping[str, SeriesSpec] = _parsed(_TABLE.strip().splitlines())
"""Every series a run may record, by name."""
