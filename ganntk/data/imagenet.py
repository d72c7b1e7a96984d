"""ImageNet as its archive lays it out: a folder for each class, with its WordNet id. Layer 2."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ganntk import storage
from ganntk.data.base import Source
from ganntk.data.contents import Contents, in_files
from ganntk.data.folder import pictures_below
from ganntk.data.shaping import Colour
from ganntk.data.stored import Stored
from ganntk.errors import InputError
from ganntk.registry import unknown_name

_TRAIN = "ILSVRC/Data/CLS-LOC/train"
_INDEX = "imagenet_class_index.json"
_TERMS = "ImageNet: non-commercial research and education only"


class Class(NamedTuple):
    """A class: its number among the thousand, its WordNet id, its name."""

    number: int
    wnid: str
    name: str


@Source.register("imagenet")
@dataclass(frozen=True)
class ImageNet(Stored):
    """Training pictures of some classes; only their folders are looked at.

    Classes are given by name (``daisy``), WordNet id (``n11939491``) or number (985).

    Attributes:
        uri: the folder that holds ``ILSVRC``, or the one that holds the classes' folders.
        index_uri: ``imagenet_class_index.json`` with numbers and names; None looks for it in `uri`.
            Without one, classes are numbered in the order of their ids and have no names.
    """

    colour: Colour = "rgb"
    uri: str | None = None
    index_uri: str | None = None

    def contents(self) -> Contents:
        """List the pictures of the classes that are asked for."""
        if self.uri is None:
            raise InputError("the data source imagenet has no uri: give the folder of ILSVRC")
        inside = storage.join(self.uri, _TRAIN)
        train = inside if storage.exists(inside) else self.uri
        there = [name for name in storage.folders_in(train) if not name.startswith(".")]
        if not there:
            raise InputError(f"there are no folders of classes in {train}: give that of ILSVRC")
        known = self._known(there)
        kept = [one for one in known if one.wnid in there]
        if self.classes is not None:
            kept = [_named(wanted, known) for wanted in dict.fromkeys(self.classes)]
        files, labels = [], []
        for one in sorted(set(kept)):
            if one.wnid not in there:
                raise InputError(f"there is no folder {one.wnid} ({one.name}) in {train}")
            found = pictures_below(storage.join(train, one.wnid))
            files += found
            labels += [one.number] * len(found)
        names = {one.number: one.name for one in kept}
        return Contents(
            "ImageNet",
            len(files),
            in_files(files),
            np.array(labels, np.int64),
            class_names=names,
            aliases={one.wnid: one.number for one in kept},
            files=files,
            terms=_TERMS,
        )

    def _known(self, there: list[str]) -> list[Class]:
        uri = self.index_uri or storage.join(self.uri or "", _INDEX)
        if self.index_uri is None and not storage.exists(uri):
            return [Class(number, wnid, wnid) for number, wnid in enumerate(sorted(there))]
        return read_index(storage.read_text(uri), name=uri)


def read_index(text: str, *, name: str) -> list[Class]:
    """Read ``imagenet_class_index.json``: number -> WordNet id and name.

    Args:
        text: the file.
        name: what the error messages call it.

    Raises:
        InputError: it is something else.
    """
    try:
        raw = json.loads(text)
        if not isinstance(raw, Mapping):
            raise TypeError("it is no mapping")  # noqa: TRY301
        return [Class(int(number), str(wnid), str(word)) for number, (wnid, word) in raw.items()]
    except (ValueError, TypeError) as error:
        raise InputError(
            f'{name} is no class index ({error}): expected {{"985": ["n11939491", "daisy"], ...}}'
        ) from error


def _named(wanted: int | str, known: list[Class]) -> Class:
    """The class of a name, an id or a number."""
    found = [one for one in known if str(wanted) in (one.wnid, one.name, str(one.number))]
    if len(found) > 1:
        ids = ", ".join(one.wnid for one in found)
        raise InputError(f"{len(found)} classes are called {wanted!r}: give an id, {ids}")
    if not found:
        words = [word for one in known for word in (one.name, one.wnid)]
        raise unknown_name("class", str(wanted), words)
    return found[0]
