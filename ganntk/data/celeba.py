"""CelebA: aligned faces and the forty attributes of each. Layer 2."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from ganntk import storage
from ganntk.data.base import Source
from ganntk.data.contents import Contents, in_files
from ganntk.data.folder import pictures_below
from ganntk.data.shaping import Colour
from ganntk.data.stored import Stored
from ganntk.errors import InputError

_log = logging.getLogger(__name__)

_PICTURES = ("img_align_celeba", "Img/img_align_celeba", "img_align_celeba/img_align_celeba")
_ATTRIBUTES = (
    "Anno/list_attr_celeba.txt",
    "list_attr_celeba.txt",
    "list_attr_celeba.csv",
    "Anno/list_attr_celeba.csv",
)
_TERMS = "CelebA: non-commercial research only; pictures of people, not to be passed on"


@Source.register("celeba")
@dataclass(frozen=True)
class CelebA(Stored):
    """Aligned faces of 178 x 218 pixels in colour, chosen by attributes.

    Crops people use: ``none`` and a side squeezes 178 x 218 into a square, as the authors of GA-NTK
    did beforehand; ``square`` is the middle 178 x 178; ``148x148`` and ``108x108`` are the face
    alone; ``128x128+25+57`` is that of progressive GANs.

    Attributes:
        uri: the folder that holds ``img_align_celeba`` and, here or in ``Anno``,
            ``list_attr_celeba.txt``, which is needed for `where` only.
    """

    colour: Colour = "rgb"
    uri: str | None = None

    def contents(self) -> Contents:
        """List the pictures and read their attributes."""
        if self.uri is None:
            raise InputError("the data source celeba has no uri: give its folder")
        uris = pictures_below(_first_of(self.uri, _PICTURES) or self._missing("img_align_celeba"))
        table = _first_of(self.uri, _ATTRIBUTES)
        if table is None and self.where is not None:
            self._missing("list_attr_celeba.txt, here or in Anno, which where needs")
        known = {} if table is None else _by_picture(table, uris)
        terms = _TERMS
        return Contents(
            "CelebA", len(uris), in_files(uris), attributes=known, files=uris, terms=terms
        )

    def _missing(self, what: str) -> str:
        raise InputError(f"{self.uri} holds no {what}: give the folder of CelebA")


class Attributes(NamedTuple):
    """What an attribute file says: a line for each picture, a column for each attribute."""

    files: list[str]
    names: list[str]
    holds: Bool[np.ndarray, "pictures attributes"]


def read_attributes(text: str, *, name: str) -> Attributes:
    """Read ``list_attr_celeba``: a count, the names, then a file and 1 or -1 for each name.

    The variant with commas and without a count is read too.

    Args:
        text: the file.
        name: what the error messages call it.

    Raises:
        InputError: a line has more or fewer values than there are names, a value is neither 1 nor
            -1, or there are more or fewer lines than the count says.
    """
    lines = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    count = None
    if lines and len(lines[0]) == 1 and lines[0][0].isdigit():
        count = int(lines.pop(0)[0])
    if not lines:
        raise InputError(f"{name} names no attributes: copy it again")
    names, rows = lines[0], lines[1:]
    names = names[1:] if names[0] == "image_id" else names
    for number, row in enumerate(rows, start=len(text.splitlines()) - len(rows) + 1):
        if len(row) != len(names) + 1:
            raise InputError(
                f"line {number} of {name} has {len(row) - 1} values for {len(names)} attributes: "
                "a column is missing or one too many, copy the file again"
            )
    if count not in (None, len(rows)):
        raise InputError(
            f"{name} promises {count} pictures and has {len(rows)} lines: copy it again"
        )
    values = np.array([row[1:] for row in rows], dtype=str).reshape(len(rows), len(names))
    if not np.isin(values, ("1", "-1", "0")).all():
        wrong = str(values[~np.isin(values, ("1", "-1", "0"))][0])
        raise InputError(f"{name} holds {wrong!r} where 1 or -1 was expected: copy it again")
    return Attributes([row[0] for row in rows], names, values == "1")


def _by_picture(uri: str, pictures: Sequence[str]) -> Mapping[str, Bool[np.ndarray, " rows"]]:
    """The attributes of each picture, by name."""
    found = read_attributes(storage.read_text(uri), name=uri)
    places = {file: line for line, file in enumerate(found.files)}
    names = [picture.rsplit("/", 1)[-1] for picture in pictures]
    if unknown := [name for name in names if name not in places]:
        raise InputError(
            f"{uri} has no line for {len(unknown)} of {len(names)} pictures, the first is "
            f"{unknown[0]}: give the file that belongs to them"
        )
    if len(names) < len(places):
        _log.warning("%d pictures of %s are not there", len(places) - len(names), uri)
    holds = found.holds[[places[name] for name in names]]
    return dict(zip(found.names, holds.T, strict=True))


def _first_of(uri: str, names: tuple[str, ...]) -> str | None:
    """The first of some files or folders that exists."""
    uris = (storage.join(uri, name) for name in names)
    return next((one for one in uris if storage.exists(one)), None)
