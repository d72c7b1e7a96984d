"""Expressions of attributes, such as ``Male & ~(Bald | Wearing_Hat)``: which rows fit. Layer 2."""

import re
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool

from ganntk.errors import InputError
from ganntk.registry import unknown_name

_TOKEN = re.compile(r"\s*([A-Za-z0-9_.\-]+|[&|~!()])")
_WORDS = {"and": "&", "or": "|", "not": "~", "!": "~"}
_DEEPEST = 100

Mask = Bool[np.ndarray, " rows"]


def fitting(expression: str, attributes: Mapping[str, Mask]) -> Mask:
    """Say which rows an expression holds for.

    ``~`` binds most closely, then ``&``, then ``|``; ``not``, ``and``, ``or`` and ``!`` may stand
    for them.

    Args:
        expression: names of attributes with ``&``, ``|``, ``~`` and parentheses.
        attributes: what each row has; those that the expression names are looked up, no others.

    Raises:
        InputError: the expression cannot be read, or names an attribute that is not there.

    Example:
        >>> tall, old = np.array([True, True]), np.array([False, True])
        >>> fitting("tall & ~old", {"tall": tall, "old": old}).tolist()
        [True, False]
    """
    reader = _Reader(expression, attributes)
    mask = reader.any_of(0)
    if reader.next is not None:
        raise reader.error(f"{reader.next!r} stands where & or | was expected")
    return mask


class _Reader:
    """Reads an expression from left to right, one method for each strength of binding."""

    def __init__(self, expression: str, attributes: Mapping[str, Mask]) -> None:
        self._text, self._attributes = expression, attributes
        self._tokens = self._split()
        self._at = 0

    @property
    def next(self) -> str | None:
        """The token that comes next."""
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def error(self, reason: str) -> InputError:
        """The sentence for an expression that cannot be read."""
        return InputError(
            f"the expression {self._text!r} cannot be read ({reason}): "
            "write names with &, |, ~ and parentheses, such as 'Male & ~Bald'"
        )

    def any_of(self, depth: int) -> Mask:
        mask = self._all_of(depth)
        while self._take("|"):
            mask = mask | self._all_of(depth)
        return mask

    def _all_of(self, depth: int) -> Mask:
        mask = self._one(depth)
        while self._take("&"):
            mask = mask & self._one(depth)
        return mask

    def _one(self, depth: int) -> Mask:
        if depth > _DEEPEST:
            raise self.error("it is nested too deeply")
        if self._take("~"):
            return ~self._one(depth + 1)
        if self._take("("):
            mask = self.any_of(depth + 1)
            if not self._take(")"):
                raise self.error("a parenthesis is not closed")
            return mask
        name = self.next
        if name is None or name in ("&", "|", ")"):
            raise self.error(f"a name is missing {f'before {name!r}' if name else 'at its end'}")
        self._at += 1
        if name not in self._attributes:
            if not self._attributes:
                raise InputError(
                    f"the expression {self._text!r} was given and the data has no attributes: "
                    "leave out where"
                )
            raise unknown_name("attribute", name, self._attributes)
        return self._attributes[name]

    def _take(self, token: str) -> bool:
        is_next = self.next == token
        self._at += is_next
        return is_next

    def _split(self) -> list[str]:
        tokens, at, text = [], 0, self._text.rstrip()
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                raise self.error(f"{text[at:].strip()[:1]!r} is no part of one")
            tokens.append(_WORDS.get(found[1].lower(), found[1]))
            at = found.end()
        return tokens
