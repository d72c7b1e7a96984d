"""How new a set of rows is beside the training rows: AM-SSIM and memorisation. Layer 4."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from ganntk.metrics import memorisation, nearest, structural
from ganntk.metrics.intervals import Estimate, groups_of, jackknife
from ganntk.metrics.memorisation import Distances

Rows = Float[np.ndarray, "rows ..."]


def similarities(rows: Rows, training: Rows) -> Float[np.ndarray, " rows"]:
    """SSIM of each image to the most similar training image.

    Raises:
        InputError: the images have no SSIM.
    """
    return structural.between(rows, training).similarity


def distances(rows: Rows, training: Rows) -> Float[np.ndarray, " rows"]:
    """Euclidean distance of each row to the nearest training row, of pixels or of features.

    Raises:
        InputError: the rows cannot be compared.
    """
    return nearest(rows, training).distance


def am_ssim(found: Float[np.ndarray, " rows"]) -> dict[str, Estimate]:
    """The mean of similarities, with the interval over rows."""
    groups = [found[group] for group in groups_of(len(found))]
    return jackknife(
        groups,
        lambda one, other: np.concatenate([one, other]),
        lambda state: {"am_ssim": float(state.mean(dtype=np.float64))},
    )


def memorised(
    found: Mapping[str, Float[np.ndarray, " rows"]], yardstick: Float[np.ndarray, " rows"]
) -> dict[str, dict[str, Estimate]]:
    """The memorisation score of each set, with the interval over its rows and the yardstick's.

    Args:
        found: name -> distances to the nearest training row.
        yardstick: those of fresh real rows.
    """
    return {name: _memorised(values, yardstick) for name, values in found.items()}


def _memorised(
    values: Float[np.ndarray, " rows"], yardstick: Float[np.ndarray, " others"]
) -> dict[str, Estimate]:
    count = min(len(values), len(yardstick))
    sides = [groups_of(len(side), min(10, count)) for side in (values, yardstick)]
    groups = [
        memorisation.update(memorisation.init(), values[one], yardstick[other])
        for one, other in zip(*sides, strict=True)
    ]

    def score(state: Distances) -> dict[str, float]:
        return {"memorisation": memorisation.compute(state).score}

    return jackknife(groups, memorisation.merge, score)
