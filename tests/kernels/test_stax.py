"""Networks of neural-tangents as kernels."""

import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.kernels import Stax, StaxReference, gram
from ganntk.kernels.stax import load
from tests.reference.networks import NETWORK, smooth

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

MODULE = "tests.reference.networks"


def rows(count: int, seed: int = 0) -> jnp.ndarray:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, 5)))


@pytest.mark.parametrize("get", ["ntk", "nngp"])
def test_a_block_is_what_stax_returns(get):
    x1, x2 = rows(3), rows(2, seed=1)
    np.testing.assert_array_equal(Stax(NETWORK[2], get)(x1, x2), NETWORK[2](x1, x2, get))


@pytest.mark.parametrize("get", ["ntk", "nngp"])
def test_the_diagonal_is_that_of_the_block(get):
    kernel, x = Stax(NETWORK[2], get), rows(3)
    np.testing.assert_allclose(kernel.diagonal(x), jnp.diag(kernel(x, x)), rtol=1e-7)


def test_a_reference_names_a_network_or_a_function_that_makes_one():
    x1, x2 = rows(3), rows(2, seed=1)
    for name, network in (("NETWORK", NETWORK), ("smooth", smooth())):
        kernel = StaxReference(f"{MODULE}:{name}")
        np.testing.assert_array_equal(kernel(x1, x2), network[2](x1, x2, "ntk"))


def test_a_reference_is_a_value():
    assert StaxReference(f"{MODULE}:NETWORK") == StaxReference(f"{MODULE}:NETWORK")
    assert hash(StaxReference(f"{MODULE}:smooth")) == hash(StaxReference(f"{MODULE}:smooth"))


def test_a_gram_matrix_by_tiles_is_what_stax_returns():
    kernel, x = Stax(NETWORK[2]), rows(5)
    found = gram(kernel, x, memory_bytes=4 * kernel.bytes_per_pair((5,), 8))
    # The diagonal of neural-tangents goes through arccos, known to 1e-8 there.
    np.testing.assert_allclose(found, NETWORK[2](x, x, "ntk"), rtol=1e-7)


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("tests.reference.networks", "expected package.module:attribute"),
        (f"{MODULE}:MISSING", "cannot be imported .*: check that the module is on the Python path"),
        ("no_such_package.networks:NETWORK", "cannot be imported .*no_such_package"),
        (f"{MODULE}:NO_NETWORK", "is tuple: expected the three functions"),
    ],
)
def test_a_reference_that_names_no_network_says_why(reference, sentence):
    with pytest.raises(InputError, match=sentence):
        load(reference)
    with pytest.raises(InputError, match=sentence):
        StaxReference(reference)
