"""Every example in a docstring of ganntk runs and gives what it says."""

import doctest
import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ganntk


def module_names() -> list[str]:
    found = [each.name for each in pkgutil.walk_packages(ganntk.__path__, "ganntk.")]
    # Importing a __main__ may start the program.
    return ["ganntk", *(name for name in found if not name.endswith(".__main__"))]


@pytest.mark.usefixtures("quick_compile")
@pytest.mark.parametrize("name", module_names())
def test_the_examples_of_a_module_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    names = {"jax": jax, "jnp": jnp, "np": np, **vars(module)}
    result = doctest.testmod(module, globs=names, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
