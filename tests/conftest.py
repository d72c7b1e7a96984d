"""What tests of numbers ask for: float64, and a compiler that does not polish."""

import os
from collections.abc import Iterator

import jax
import pytest

# Read where gcsfs is imported: it would ask Google, by another protocol, which kind a bucket is of.
os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"


@pytest.fixture
def float64() -> Iterator[None]:
    """JAX in float64, and as it was afterwards."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def quick_compile() -> Iterator[None]:
    """Compile without optimisations: half the time, where little is computed."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture(scope="module", autouse=True)
def _compiled_programs_of_a_module_only() -> Iterator[None]:
    """Forget what a module compiled: a process may map 65,530 pieces of memory, programs take some.

    Where it has no more, the next compilation is a segmentation fault.
    """
    yield
    jax.clear_caches()
