"""The radial basis function kernel, against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.kernels import RBF

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")


def test_a_block_is_that_of_numpy():
    rng = np.random.default_rng(0)
    x1, x2 = rng.uniform(size=(4, 3, 2, 1)), rng.uniform(size=(3, 3, 2, 1))
    gaps = x1.reshape(4, 1, 6) - x2.reshape(1, 3, 6)
    wanted = np.exp(-np.sum(gaps**2, axis=2) / (2 * 6 * 0.3**2))
    found = jax.jit(RBF(length_scale=0.3))(jnp.asarray(x1), jnp.asarray(x2))
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


def test_a_length_serves_all_image_sizes():
    x = np.random.default_rng(0).uniform(size=(2, 3, 2))
    larger = x.repeat(4, axis=1).repeat(4, axis=2)
    small, large = (RBF()(jnp.asarray(rows[:1]), jnp.asarray(rows[1:])) for rows in (x, larger))
    assert float(small[0, 0]) == pytest.approx(float(large[0, 0]), rel=1e-13)


@pytest.mark.parametrize("length_scale", [0.0, -1.0, float("nan")])
def test_a_length_that_is_none_is_refused(length_scale):
    with pytest.raises(InputError, match=r"length_scale is .*: expected a positive number"):
        RBF(length_scale=length_scale)
