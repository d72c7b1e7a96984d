"""A source in a few lines, and some of its rows to look at. Layer 2."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from ganntk.data.contents import Contents
from ganntk.data.shaping import Shaped, as_numbers
from ganntk.data.stored import Stored
from ganntk.errors import InputError

_EXAMINED = 512
_LISTED = 12
_SHEET_SIDE = 64


@dataclass(frozen=True)
class Description:
    """What there is to say of a source.

    Attributes:
        lines: names and values, for a person.
        sample: rows of one shape, evenly chosen in the order of the source.
    """

    lines: list[tuple[str, str]]
    sample: Float32[np.ndarray, "shown ..."]


def describe(source: Stored, *, shown: int) -> Description:
    """Count everything, and look at rows that are spread evenly over the source.

    Args:
        source: with its options: what they leave out is not counted.
        shown: rows of the sample, at most.

    Raises:
        InputError: the source cannot be read.
    """
    found = source.contents()
    kept = source.chosen(found, in_order=True)
    looked = kept[np.linspace(0, len(kept) - 1, min(len(kept), _EXAMINED)).astype(int)]
    # As they are stored where the options allow it: mixed sizes are worth saying.
    images = [np.asarray(image) for image in found.take(looked, source)]
    lines = [
        ("name", found.name),
        ("rows", f"{len(kept):,}" + (f" of {found.count:,}" if len(kept) < found.count else "")),
        ("shapes", _counted(Counter(_shape(image) for image in images), len(images))),
        ("types", _counted(Counter(image.dtype.name for image in images), len(images))),
        ("range", _range(images)),
    ]
    if found.labels is not None:
        lines.append(("classes", _classes(found, kept)))
    if len(found.attributes):
        lines.append(("attributes", _attributes(found, kept)))
    if found.terms:
        lines.append(("terms", found.terms))
    if len(looked) < len(kept):
        lines.append(("examined", f"{len(looked):,} rows for shapes, types and range"))
    chosen = np.linspace(0, len(images) - 1, min(len(images), shown)).astype(int)
    return Description(lines, _sheet([images[i] for i in chosen], found.name))


def _shape(image: np.ndarray) -> str:
    return " x ".join(map(str, image.shape))


def _counted(counts: Counter[str], total: int) -> str:
    parts = [name if n == total else f"{name} ({n})" for name, n in counts.most_common(_LISTED)]
    more = len(counts) - _LISTED
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


def _range(images: list[np.ndarray]) -> str:
    values = [as_numbers(image) for image in images]
    low, high = min(float(v.min()) for v in values), max(float(v.max()) for v in values)
    mean = float(np.mean([v.mean() for v in values]))
    return f"{low:.4g} to {high:.4g}, mean {mean:.4f}"


def _classes(found: Contents, kept: np.ndarray) -> str:
    assert found.labels is not None
    counts = Counter(found.labels[kept].tolist())
    parts = [
        f"{label} {found.class_names[label]} ({n:,})"
        if label in found.class_names
        else f"{label} ({n:,})"
        for label, n in sorted(counts.items())[:_LISTED]
    ]
    more = len(counts) - _LISTED
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


def _attributes(found: Contents, kept: np.ndarray) -> str:
    return ", ".join(f"{n} ({int(found.attributes[n][kept].sum()):,})" for n in found.attributes)


def _sheet(images: list[np.ndarray], name: str) -> Float32[np.ndarray, "shown ..."]:
    """Images of one shape for a picture: those of mixed sizes are made small squares."""
    if len({image.shape for image in images}) > 1:
        small = Shaped(side=_SHEET_SIDE, crop="square", colour="rgb")
        images = [small.shaped(image, name) for image in images]
    if not images[0].size:
        raise InputError(f"the rows of {name} are empty: check the data")
    rows = np.stack([as_numbers(image) for image in images]).astype(np.float32)
    return rows[..., None] if rows.ndim == 3 else rows
