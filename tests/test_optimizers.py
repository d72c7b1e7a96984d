"""optax's optimisers by name."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ganntk.errors import InputError
from ganntk.optimizers import Optimizer, known_optimizers

# lbfgs asks for the objective's value, scale_by_* are parts of an optimiser.
NO_OPTIMIZERS = ("lbfgs", "scale_by_learning_rate", "scale_by_rprop")
SILENT = pytest.mark.filterwarnings("ignore:Specifying a key", "ignore:`optimistic_adam`")


def descend(optimizer: Optimizer, steps: int = 3) -> np.ndarray:
    """Points after some steps down |p|^2, from ones."""
    rule = optimizer.build()
    points = jnp.ones((4, 3))
    state = rule.init(points)
    for _ in range(steps):
        updates, state = rule.update(2 * points, state, points)
        points = optax.apply_updates(points, updates)
    return np.asarray(points)


def test_sgd_moves_by_the_learning_rate_times_the_gradient():
    np.testing.assert_allclose(descend(Optimizer("sgd", 0.1), steps=1), 0.8, rtol=1e-6)


def test_adam_is_the_default_and_moves_by_the_learning_rate():
    assert Optimizer().name == "adam"
    np.testing.assert_allclose(descend(Optimizer(), steps=1), 1 - 0.02, rtol=1e-5)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop", "lion", "radam", "adabelief"])
def test_an_optimizer_is_the_one_that_optax_has_under_its_name(name):
    ours, theirs = Optimizer(name, 0.1).build(), getattr(optax, name)(0.1)
    points = jnp.ones(3)
    found, _ = ours.update(points, ours.init(points), points)
    wanted, _ = theirs.update(points, theirs.init(points), points)
    np.testing.assert_array_equal(found, wanted)


def test_arguments_reach_the_optimizer():
    momentum = descend(Optimizer("sgd", 0.1, {"momentum": 0.9}), steps=2)
    # 1 - 0.2 = 0.8; then the velocity is 0.9 * 2 + 2 * 0.8 = 3.4.
    np.testing.assert_allclose(momentum, 0.8 - 0.34, rtol=1e-5)


@SILENT
@pytest.mark.parametrize("name", [name for name in known_optimizers() if name not in NO_OPTIMIZERS])
def test_every_known_optimizer_descends(name):
    assert np.all(descend(Optimizer(name, 0.01)) < 1)


@pytest.mark.parametrize("name", NO_OPTIMIZERS)
def test_what_cannot_descend_is_not_offered(name):
    assert name not in known_optimizers()


def test_an_unknown_optimizer_is_refused_with_the_nearest_names():
    with pytest.raises(InputError, match="unknown optimizer 'adm': did you mean adam"):
        Optimizer("adm").build()


@pytest.mark.parametrize("arguments", [{"beta": 0.5}, {"learning_rate": 0.5}])
def test_an_argument_that_it_does_not_take_is_refused_with_those_it_takes(arguments):
    with pytest.raises(InputError, match=r"optimizer adam cannot take .*: its arguments are .*b1"):
        Optimizer("adam", arguments=arguments).build()


@pytest.mark.parametrize("learning_rate", [-0.1, 0.0, float("nan"), float("inf")])
def test_a_learning_rate_that_is_no_step_is_refused(learning_rate):
    with pytest.raises(InputError):
        Optimizer("sgd", learning_rate).build()
