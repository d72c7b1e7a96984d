"""Settings as nested mappings: from YAML, from words of a command line, with shorthands. Layer 4.

What a mapping means is `ganntk.config`'s to say.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from ganntk import storage
from ganntk.errors import InputError


def parse_overrides(words: Sequence[str]) -> list[tuple[tuple[str, ...], Any]]:
    """Pairs of a key's path and a YAML value, from ``--a.b value`` and ``--a.b=value``.

    Raises:
        InputError: a word is no option, or an option has no value.

    Example:
        >>> parse_overrides(["--lam.value", "5.12", "--kernel=fnn"])
        [(('lam', 'value'), 5.12), (('kernel',), 'fnn')]
    """
    found, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise InputError(f"{word!r} stands where an option was expected: write --key value")
        key, equals, value = word[2:].partition("=")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise InputError(f"option --{key} has no value: write --{key} VALUE")
            value = rest.pop(0)
        found.append((tuple(key.replace("-", "_").split(".")), parsed(value)))
    return found


def nested(pairs: Sequence[tuple[tuple[str, ...], Any]]) -> dict[str, Any]:
    """Nested mappings of pairs of a path and a value; later pairs win."""
    found: dict[str, Any] = {}
    for path, value in pairs:
        found = merged(found, nested_at(path, value))
    return found


def parsed(text: str) -> Any:
    """The value that a word of a command line stands for, as YAML, and 1e-3 as a number."""
    # YAML 1.1 reads 1e-3 as a string: everybody means the number.
    if re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", text):
        return float(text)
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def read(uri: str) -> dict[str, Any]:
    """The mapping of a YAML file, with shorthands written out.

    Raises:
        InputError: the file is missing, no YAML, or no mapping.
    """
    try:
        raw = yaml.safe_load(storage.read_text(uri))
    except yaml.YAMLError as error:
        raise InputError(f"{uri} is not YAML: {' '.join(str(error).split())}") from error
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise InputError(f"{uri} holds a {type(raw).__name__}: expected keys with values")
    return expanded(raw)


def expanded(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with its shorthands written out, in the run and in each of its levels."""
    full = dict(raw)
    if isinstance(levels := full.get("levels"), list | tuple):
        full["levels"] = [expanded(x) if isinstance(x, Mapping) else x for x in levels]
    if isinstance(name := full.get("kernel"), str):
        full["kernel"] = {"type": "named", "name": name}
    lam = full.get("lam")
    lam = parsed(lam) if isinstance(lam, str) else lam
    if isinstance(lam, int | float) and not isinstance(lam, bool):
        full["lam"] = {"type": "fixed", "value": lam}
    elif lam == "auto":
        full["lam"] = {"type": "searched"}
    elif isinstance(lam, Mapping) and "value" in lam:
        full["lam"] = {"type": "fixed", **lam}
    elif isinstance(lam, str):
        raise InputError(f"lam is {lam!r}: expected a number, auto, or a mapping with a type")
    return full


def nested_at(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """One value below a path of keys."""
    for key in reversed(path):
        value = {key: value}
    return value


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, key by key; a part of another type replaces the one below whole."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            same_type = value.get("type", old.get("type")) == old.get("type", value.get("type"))
            result[key] = merged(old, value) if same_type else value
        else:
            result[key] = value
    return result
