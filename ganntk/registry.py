"""Parts that are chosen by name: a new part is one file that registers itself. Layer 0.

A base class that mixes in `Registered` can stand in a configuration as ``type: name``: its four
`*_choice_*` class methods are the protocol that the configuration library looks for, so no part
imports that library.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar

from ganntk.errors import InputError

T = TypeVar("T", bound=type)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that nobody registered, with the nearest known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"choose one of {', '.join(names)}"
    return InputError(f"unknown {kind} {name!r}: {hint}")


class Registered:
    """Mix-in of an abstract part whose implementations register themselves by name."""

    kind: ClassVar[str]
    package: ClassVar[str]
    default_name: ClassVar[str | None] = None
    _registry: ClassVar[dict[str, type]]

    @classmethod
    def register(cls, name: str) -> Callable[[T], T]:
        """Register the decorated class under `name`."""

        def add(part: T) -> T:
            if name in cls._registry:
                raise InputError(f"two {cls.kind} parts are called {name!r}: rename one of them")
            cls._registry[name] = part
            return part

        return add

    @classmethod
    def find(cls, name: str) -> Any:
        """The part registered under `name`; an `InputError` with near names otherwise."""
        return _named(cls, name)

    def __init_subclass__(cls) -> None:
        """Give a part's base class, and no class below it, the protocol of the configuration.

        draccus takes a class for a choice when it has these four methods and no parent of it has
        them, so they cannot simply be inherited from here.
        """
        super().__init_subclass__()
        if Registered in cls.__bases__:
            for name, method in _PROTOCOL.items():
                setattr(cls, name, classmethod(method))


def _known(cls: type[Registered]) -> dict[str, Any]:
    """All registered parts by name, after importing every module of their package."""
    package = importlib.import_module(cls.package)
    for module in pkgutil.iter_modules(getattr(package, "__path__", [])):
        importlib.import_module(f"{cls.package}.{module.name}")
    return dict(sorted(cls._registry.items()))


def _named(cls: type[Registered], name: str) -> Any:
    """The part registered under `name`; an `InputError` with near names otherwise."""
    known = _known(cls)
    if name not in known:
        raise unknown_name(cls.kind, name, known)
    return known[name]


def _name_of(cls: type[Registered], part: type) -> str:
    """The name that `part` is registered under; a `ValueError` for the base class itself."""
    for name, other in _known(cls).items():
        if other is part:
            return name
    raise InputError(f"{part.__name__} is no registered {cls.kind}: decorate it with a name")


def _default(cls: type[Registered]) -> str | None:
    """The part that a configuration without ``type:`` means."""
    return cls.default_name


_PROTOCOL = {
    "get_known_choices": _known,
    "get_choice_class": _named,
    "get_choice_name": _name_of,
    "default_choice_name": _default,
}
