"""How near a set of rows is to the reference, in the features of one extractor. Layer 4."""

from typing import NamedTuple

import numpy as np

from ganntk.features import Features
from ganntk.metrics import frechet, kernel_distance, manifold
from ganntk.metrics.intervals import Estimate, from_error, groups_of, jackknife
from ganntk.metrics.kernel_distance import Within
from ganntk.metrics.manifold import Contacts, Neighbours

_MOST_BALLS = 10_000


class Reference(NamedTuple):
    """What is computed once of the reference's features."""

    normal: frechet.Normal
    within: Within
    neighbours: Neighbours


def reference_of(features: Features) -> Reference:
    """Prepare the features of the reference.

    Raises:
        InputError: there are none, or some are not finite.
    """
    width = features.shape[1]
    return Reference(
        frechet.normal_of(frechet.update(frechet.init(width), features)),
        kernel_distance.update(kernel_distance.init(width), features),
        manifold.update(manifold.init(width), features[:_MOST_BALLS]),
    )


def fidelity(features: Features, reference: Reference) -> dict[str, Estimate]:
    """Fréchet and kernel distance to the reference; precision, recall, density and coverage.

    Intervals are over the rows of this set; the kernel distance's is over those of both.

    Args:
        features: of at least four rows.
        reference: what they are compared with, in features of the same extractor.

    Raises:
        InputError: the features do not fit, are too few, or not finite.
    """
    width = features.shape[1]
    groups = groups_of(len(features))
    moments = [frechet.update(frechet.init(width), features[group]) for group in groups]
    found = jackknife(
        moments,
        frechet.merge,
        lambda state: {"frechet": frechet.distance(frechet.normal_of(state), reference.normal)},
    )
    within = kernel_distance.update(kernel_distance.init(width), features)
    found["kernel_distance"] = from_error(*kernel_distance.compute(within, reference.within))
    if len(features) > manifold.NEIGHBOURS:
        found |= _shares(features, reference.neighbours, groups)
    return found


def _shares(
    features: np.ndarray, reference: Neighbours, groups: list[slice]
) -> dict[str, Estimate]:
    """Precision and its relatives; radii of generated balls are those of the whole set."""
    neighbours = manifold.update(manifold.init(features.shape[1]), features)
    contacts = [manifold.contacts(neighbours, reference, rows=group) for group in groups]

    def numbers(state: Contacts) -> dict[str, float]:
        return manifold.compute(state)._asdict()

    return jackknife(contacts, manifold.merge_contacts, numbers)
