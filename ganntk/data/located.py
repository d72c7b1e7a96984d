"""A data source in one word of a command line: a file, a name, or a mapping. Layer 2."""

import dataclasses
from typing import Any

import yaml

from ganntk import storage
from ganntk.data.array import SavedArray
from ganntk.data.base import Source
from ganntk.data.idx import Idx
from ganntk.errors import InputError

_IMAGES, _LABELS = "images-idx3", "labels-idx1"


def source_of(text: str) -> Source:
    """The source that a word names.

    Args:
        text: an IDX file, whose labels are found beside it under MNIST's names; an .npy or .npz
            file; the name of a source without options, such as ``digits``; or a mapping as in a
            configuration, ``{type: idx, uri: ..., size: 2000}``.

    Raises:
        InputError: the format cannot be told, or an option is unknown.

    Example:
        >>> source_of("{type: digits, size: 100, classes: [3, 8]}").classes
        (3, 8)
    """
    if text.lstrip().startswith("{"):
        return _from_mapping(text)
    name = text.rstrip("/").rsplit("/", 1)[-1]
    if name.endswith((".npz", ".npy")):
        return SavedArray(uri=text)
    if "idx" in name or "ubyte" in name:
        return Idx(uri=text, labels_uri=_labels_beside(text, name))
    if name == text and "." not in text:
        return Source.find(text)()
    raise InputError(
        f"the format of {text} cannot be told from its name: give an IDX, npy or npz file, or a "
        "mapping such as '{type: idx, uri: ...}'"
    )


def _labels_beside(uri: str, name: str) -> str | None:
    """The labels of MNIST's name beside its images, where there are any."""
    if _IMAGES not in name:
        return None
    labels = uri[: len(uri) - len(name)] + name.replace(_IMAGES, _LABELS)
    return labels if storage.exists(labels) else None


def _from_mapping(text: str) -> Source:
    """The source of a YAML mapping with a type."""
    try:
        raw: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{text} is no mapping ({reason}): write {{key: value}}") from error
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        raise InputError(f"{text} has no type: write {{type: idx, uri: ...}}")
    part = Source.find(raw.pop("type"))
    known = [field.name for field in dataclasses.fields(part)]
    if unknown := sorted(set(raw) - set(known)):
        raise InputError(
            f"a source has no {', '.join(map(str, unknown))}: choose among {', '.join(known)}"
        )
    return part(**{key: tuple(v) if isinstance(v, list) else v for key, v in raw.items()})
