"""What is measured of generated rows while a run goes on: how new, how faithful. Layer 2."""

import numpy as np
from jaxtyping import Float, Float32

from ganntk.errors import InputError
from ganntk.features import open_extractor
from ganntk.metrics import kernel_distance, memorisation, nearest, structural
from ganntk.metrics.samples import as_samples, squared_distances

MOST_ROWS = 256
"""Of each side, evenly chosen: a check must not take longer than the steps between two."""

_FEWEST_HELD_OUT = 8

Rows = Float32[np.ndarray, "rows ..."]


class Watch:
    """Generated rows beside the training rows, and beside fresh ones.

    Images are compared by their structural similarity, and by kernel distance in random
    convolutions; other rows by Euclidean distance, and by kernel distance of their coordinates.

    Args:
        training: the real rows that the run was given, at least two.
        held_out: fresh real rows; those that are training rows are left out. None to hold each
            training row against the others, which leaves the distance to held-out rows unknown.

    Attributes:
        compared: the fresh rows that generated ones are compared with, or None.

    Raises:
        InputError: shapes differ, or fewer than eight held-out rows are left.
    """

    def __init__(self, training: Rows, held_out: Rows | None) -> None:
        self._are_images = training.ndim == 4 and min(training.shape[1:3]) >= structural.WINDOW
        self._training = training
        self._extractor = open_extractor("random" if self._are_images else "pixels")
        self._within: kernel_distance.Within | None = None
        self.compared: Rows | None = None
        if held_out is None:
            self._yardstick = self._gaps_between_training_rows()
            return
        self.compared = fresh = _fresh(held_out, training)
        self._yardstick = self._gaps(fresh)
        features = self._extractor.extract(fresh)
        self._within = kernel_distance.update(kernel_distance.init(features.shape[1]), features)

    def measure(self, points: Rows) -> dict[str, float]:
        """The series of a check.

        Args:
            points: generated rows of the shape of the training rows, at least three.

        Returns:
            ``memorisation``; ``am_ssim`` of images; ``held_out_distance`` where there are held-out
            rows.
        """
        rows = points[_some(len(points))]
        gaps = self._gaps(rows)
        found = {"memorisation": memorisation.between(gaps, self._yardstick).score}
        if self._are_images:
            found["am_ssim"] = float(1 - gaps.mean())
        if self._within is not None:
            features = self._extractor.extract(rows)
            within = kernel_distance.update(kernel_distance.init(features.shape[1]), features)
            found["held_out_distance"] = kernel_distance.compute(within, self._within).value
        return found

    def _gaps(self, rows: Rows) -> Float[np.ndarray, " rows"]:
        """How far each row is from the nearest training row."""
        if self._are_images:
            return 1 - structural.between(rows, self._training).similarity.astype(np.float64)
        return nearest(rows, self._training).distance

    def _gaps_between_training_rows(self) -> Float[np.ndarray, " rows"]:
        """The same for training rows, each held against all others."""
        own = _some(len(self._training))
        if self._are_images:
            gaps = 1 - structural.pairs(self._training[own], self._training).astype(np.float64)
        else:
            flat = as_samples(self._training, name="training rows")
            gaps = np.sqrt(squared_distances(flat[own], flat))
        # A copy of a row is another row: only itself is left out.
        gaps[np.arange(len(own)), own] = np.inf
        return gaps.min(axis=1)


def _some(count: int) -> np.ndarray:
    """Indices of at most `MOST_ROWS` rows, evenly chosen."""
    return np.unique(np.linspace(0, count - 1, min(count, MOST_ROWS)).round().astype(int))


def _fresh(held_out: Rows, training: Rows) -> Rows:
    """Held-out rows that are no training rows."""
    if held_out.shape[1:] != training.shape[1:]:
        raise InputError(
            f"the held-out rows have shape {held_out.shape[1:]} and the data {training.shape[1:]}: "
            "give rows of one shape"
        )
    known = {row.tobytes() for row in np.ascontiguousarray(training, np.float32)}
    kept = [row for row in np.ascontiguousarray(held_out, np.float32) if row.tobytes() not in known]
    if len(kept) < _FEWEST_HELD_OUT:
        raise InputError(
            f"{len(kept)} of {len(held_out)} held-out rows are no training rows: give at least "
            f"{_FEWEST_HELD_OUT}"
        )
    return np.stack(kept)[_some(len(kept))]
