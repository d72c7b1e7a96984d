"""Which solver a name means, and that it is the one that answers."""

import jax
import jax.numpy as jnp
import pytest

from ganntk import discriminator
from ganntk.discriminator import LARGEST_EIGH, loss_and_cotangent, solver_for
from ganntk.errors import InputError
from ganntk.typing import LowRank

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")


def test_auto_is_eigh_as_long_as_that_is_cheap():
    assert LARGEST_EIGH == 1024
    assert solver_for("auto", 1024) == "eigh"
    assert solver_for("auto", 1025) == "lanczos"
    assert solver_for("eigh", 10**6) == "eigh"
    assert solver_for("lanczos", 2) == "lanczos"


def test_eigh_is_the_default_and_gives_a_matrix_where_lanczos_gives_factors():
    K, y = jnp.eye(4), discriminator.labels(2, 2)
    exact, factored = (loss_and_cotangent(K, y, 1.0, **s) for s in ({}, {"solver": "lanczos"}))
    assert isinstance(exact.cotangent, jax.Array)
    assert (int(exact.products), float(exact.residual)) == (0, 0.0)
    assert isinstance(factored.cotangent, LowRank)
    assert int(factored.products) > 0


def test_a_solver_that_does_not_exist_is_refused_with_the_nearest_one():
    K, y = jnp.eye(2), discriminator.labels(1, 1)
    with pytest.raises(InputError, match="unknown solver 'eig': did you mean eigh"):
        loss_and_cotangent(K, y, 1.0, solver="eig")  # type: ignore[arg-type]
