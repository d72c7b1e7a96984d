"""The same measurements of generated rows and of three baselines. Layer 4."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganntk.data import Dataset, Modes
from ganntk.errors import InputError
from ganntk.evaluation.fidelity import fidelity, reference_of
from ganntk.evaluation.novelty import am_ssim, distances, memorised, similarities
from ganntk.evaluation.quality import Measured, Quality, Table, in_range
from ganntk.evaluation.sets import Rows, Sets, choose
from ganntk.features import Extractor
from ganntk.metrics import modes, transport
from ganntk.metrics.intervals import Estimate, groups_of, jackknife
from ganntk.metrics.structural import WINDOW
from ganntk.run_folder import RunFolder

_log = logging.getLogger(__name__)

_MOST_PAIRS = 2000
"""Points of each set whose exact distance is computed: eleven times for each, and n^3 each time."""


@dataclass(frozen=True)
class Protocol:
    """How a run is evaluated.

    Attributes:
        extractors: what distances are measured in.
        noise: standard deviation of the noise of the last baseline.
        seed: of that noise, and of what is set aside of the reference.
        modes: of the mixture that points were drawn from, where they were.
    """

    extractors: Sequence[Extractor]
    noise: float = 0.1
    seed: int = 0
    modes: Modes | None = None


def evaluate(
    run_uri: str, reference: Dataset, held_out: Dataset | None, protocol: Protocol
) -> Quality:
    """Measure a run and write `quality.json` into its folder.

    Args:
        run_uri: a run that has saved its rows.
        reference: real rows that distances are to.
        held_out: real rows for the baseline of fresh ones, or None to set some of the reference
            aside.
        protocol: what is measured.

    Raises:
        InputError: there is no such run, it has no rows, or the rows cannot be compared.
    """
    folder = RunFolder.open(run_uri)
    saved, training = folder.read_images(), folder.read_real()
    if saved is None or training is None:
        raise InputError(f"the run in {run_uri} has saved no rows: evaluate it when it has ended")
    sets = choose(
        saved.rows,
        training,
        reference.rows,
        None if held_out is None else held_out.rows,
        noise=protocol.noise,
        seed=protocol.seed,
    )
    quality = measure(sets, protocol, name=reference.name)
    folder.write_quality(quality.as_json())
    return quality


def measure(sets: Sets, protocol: Protocol, *, name: str) -> Quality:
    """Measure sets that are in memory.

    Args:
        sets: the rows.
        protocol: what is measured.
        name: what the reference is called.

    Raises:
        InputError: an extractor cannot take the rows, or something it needs is missing.
    """
    tables = [_in_features(sets, extractor) for extractor in protocol.extractors]
    if sets.training.ndim == 4 and min(sets.training.shape[1:3]) >= WINDOW:
        tables.insert(0, _by_similarity(sets))
    if protocol.modes is not None:
        tables.insert(0, _by_modes(sets, protocol.modes))
    return Quality(name, len(sets.reference), len(sets.training), protocol.noise, tables)


def _by_similarity(sets: Sets) -> Table:
    """AM-SSIM, and memorisation where near means similar."""
    _log.info("comparing images with %d training images", len(sets.training))
    found = {name: similarities(rows, sets.training) for name, rows in sets.compared.items()}
    yardstick = similarities(sets.yardstick, sets.training)
    scores = memorised({name: -values for name, values in found.items()}, -yardstick)
    numbers = {name: am_ssim(values) | scores[name] for name, values in found.items()}
    return _table("structural similarity to the training images", sets, numbers)


def _in_features(sets: Sets, extractor: Extractor) -> Table:
    """Fidelity to the reference, and memorisation where near means near in features."""
    _log.info("measuring in %s", extractor.name)
    reference = reference_of(extractor.extract(sets.reference))
    training, yardstick = extractor.extract(sets.training), extractor.extract(sets.yardstick)
    features = {name: extractor.extract(rows) for name, rows in sets.compared.items()}
    found = {name: distances(values, training) for name, values in features.items()}
    scores = memorised(found, distances(yardstick, training))
    numbers = {
        name: fidelity(values, reference) | scores[name] for name, values in features.items()
    }
    return _table(extractor.name, sets, numbers)


def _by_modes(sets: Sets, mixture: Modes) -> Table:
    """Modes hit, points near them, and the exact distance to as many points of the reference."""
    centres, std = mixture.centres, mixture.std
    # As many of each set: fewer points are farther from those that they are compared with.
    count = min(_MOST_PAIRS, *map(len, (sets.reference, *sets.compared.values())))
    numbers = {}
    for name, rows in sets.compared.items():
        counts = [
            modes.update(modes.init(len(centres)), rows[group], centres, std)
            for group in groups_of(len(rows))
        ]
        found = jackknife(counts, modes.merge, _statistics)
        spread = np.linspace(0, len(rows) - 1, count).astype(int)
        numbers[name] = found | _half_w2(rows[spread], sets.reference[:count])
    return _table(f"{len(centres)} modes", sets, numbers)


def _statistics(state: modes.ModeCounts) -> dict[str, float]:
    found = modes.compute(state)
    return {"modes_hit": found.modes_hit, "within": found.within}


def _half_w2(rows: Rows, reference: Rows) -> dict[str, Estimate]:
    """Of as many points each; without a tenth of them, without one of the reference too."""

    def between(kept: np.ndarray) -> dict[str, float]:
        return {"half_w2": transport.between(rows[kept], reference[kept])}

    parts = [np.arange(group.start, group.stop) for group in groups_of(len(rows))]
    return jackknife(parts, lambda one, other: np.concatenate([one, other]), between)


def _table(features: str, sets: Sets, numbers: dict[str, dict[str, Estimate]]) -> Table:
    lines = [
        Measured(
            name,
            len(rows),
            {key: in_range(key, _finite(value)) for key, value in numbers[name].items()},
        )
        for name, rows in sets.compared.items()
    ]
    return Table(features, lines)


def _finite(estimate: Estimate) -> Estimate:
    """The estimate, which JSON can hold; measures of finite rows are finite."""
    if not np.isfinite(estimate).all():
        raise InputError(f"a measure is not finite ({estimate}): give more rows, or other features")
    return estimate
