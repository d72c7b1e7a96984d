"""Every public name of ganntk is documented; an undocumented one breaks the build."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import ganntk

METHODS = (staticmethod, classmethod, property, functools.cached_property)


def _modules() -> Iterator[ModuleType]:
    yield ganntk
    for found in pkgutil.walk_packages(ganntk.__path__, "ganntk."):
        if not found.name.endswith(".__main__"):  # importing it may start the program
            yield importlib.import_module(found.name)


def _public_parts(module: ModuleType) -> Iterator[tuple[str, object]]:
    for name, part in vars(module).items():
        is_ours = getattr(part, "__module__", None) == module.__name__
        if not name.startswith("_") and is_ours and callable(part):
            yield name, part


def _undocumented_methods(part: type) -> Iterator[str]:
    for name, member in vars(part).items():
        is_method = inspect.isfunction(member) or isinstance(member, METHODS)
        # getdoc looks at the base classes too: an implementation need not repeat its contract.
        if is_method and not name.startswith("_") and not inspect.getdoc(getattr(part, name)):
            yield name


def _is_written(part: object) -> bool:
    doc = vars(part).get("__doc__") if isinstance(part, type) else inspect.getdoc(part)
    # A dataclass or a named tuple without a docstring gets its signature for one.
    return bool(doc) and not doc.startswith(f"{getattr(part, '__name__', '')}(")


def _undocumented() -> Iterator[str]:
    for module in _modules():
        if not module.__doc__:
            yield module.__name__
        for name, part in _public_parts(module):
            if not _is_written(part):
                yield f"{module.__name__}.{name}"
            if isinstance(part, type):
                yield from (f"{module.__name__}.{name}.{m}" for m in _undocumented_methods(part))


def test_every_public_name_is_documented():
    assert list(_undocumented()) == []
