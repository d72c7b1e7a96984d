"""Tests of numbers on a GPU: skipped where JAX sees none."""

import jax
import pytest


@pytest.fixture(autouse=True)
def gpu() -> jax.Device:
    """The first GPU, on which JAX computes unless told otherwise."""
    if jax.default_backend() != "gpu":
        pytest.skip("JAX sees no GPU")
    return jax.devices()[0]


@pytest.fixture
def cpu() -> jax.Device:
    """The CPU of the same machine, whose numbers are the reference."""
    return jax.devices("cpu")[0]
