"""Finite networks tend to the infinite one, in what they say and in the gradient they give."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk import config, discriminator
from ganntk.errors import InputError
from ganntk.experiments import finite
from ganntk.experiments.gradients import VanishingGradients
from ganntk.kernels import AvgPool, Conv, Dense, Erf, Flatten, Network, Relu

DENSE = (Flatten(), Dense(), Relu(), Dense())
CONVOLUTION = (Conv((2, 2), (2, 2)), Erf(), Flatten(), Dense(2.0, 0.3))


class Quiet:
    def phase(self, sentence):
        """Say nothing."""

    def step(self, *numbers):
        """Say nothing."""


def rows(count: int, seed: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(count, 4, 4, 2)), jnp.float32)


def tangent_kernel(layers, parameters, x):
    def one(row):
        slopes = jax.grad(lambda p: finite.output(layers, p, row[None])[0])(parameters)
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(slopes)])

    slopes = jax.vmap(one)(x)
    return slopes @ slopes.T


@pytest.mark.parametrize("layers", [DENSE, CONVOLUTION], ids=["dense", "convolution"])
def test_the_tangent_kernel_of_a_wide_network_is_the_closed_form(layers):
    x = rows(3, 0)
    kernels = [
        tangent_kernel(layers, finite.start(layers, jax.random.key(i), (4, 4, 2), 512), x)
        for i in range(8)
    ]
    wanted = Network(layers)(x, x)
    # Fluctuations of one kernel are about 1 / sqrt(512): 4 %, and 1.6 % of the mean of eight.
    np.testing.assert_allclose(np.mean(kernels, axis=0), wanted, rtol=0.06)


def test_a_wide_network_that_was_trained_says_what_the_closed_form_says():
    x, y = rows(6, 0), discriminator.labels(3, 3, jnp.float32)
    first = finite.start(DENSE, jax.random.key(1), (4, 4, 2), 4096)
    step = jax.jit(lambda now: finite.stepped(DENSE, first, now, x, y, 0.01))
    after = finite.trained(step, DENSE, first, 300)
    found = finite.output(DENSE, after, x) - finite.output(DENSE, first, x)
    wanted = discriminator.predict(Network(DENSE)(x, x), y, 3.0)
    np.testing.assert_allclose(found, wanted, atol=0.05)
    assert np.ptp(wanted) > 0.4


def test_a_logistic_discriminator_leaves_the_generator_of_the_minimax_game_no_gradient():
    x, y = rows(6, 0), discriminator.labels(3, 3, jnp.float32)
    first = finite.start(DENSE, jax.random.key(1), (4, 4, 2), 64)

    @jax.jit
    def step(now):
        return finite.stepped(DENSE, first, now, x, y, 0.05, is_logistic=True)

    def said(now, row):
        return finite.output(DENSE, now, row) - finite.output(DENSE, first, row)

    def norm(now):
        return jnp.linalg.norm(jax.grad(lambda row: -jax.nn.softplus(said(now, row)[0]))(x[-1:]))

    few, many = (finite.trained(step, DENSE, first, steps) for steps in (50, 20000))
    assert np.all(np.sign(said(many, x)) == 2 * y - 1)
    assert norm(many) < 0.25 * norm(few)


def test_convolutions_take_the_same_steps_one_by_one():
    x, y = rows(4, 0), discriminator.labels(2, 2, jnp.float32)
    first = finite.start(CONVOLUTION, jax.random.key(1), (4, 4, 2), 8)
    step = jax.jit(lambda now: finite.stepped(CONVOLUTION, first, now, x, y, 0.01))
    one = finite.trained(step, CONVOLUTION, first, 5)
    other = finite.trained(step, DENSE, first, 5)
    for left, right in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_a_layer_without_a_finite_form_is_refused():
    with pytest.raises(InputError, match="no finite network with AvgPool"):
        finite.start((AvgPool(), Flatten(), Dense()), jax.random.key(0), (4, 4, 2), 8)


def test_the_gradient_of_a_wide_network_follows_the_infinite_one(tmp_path):
    # Smooth: a ReLU network's slope at a point does not see the gates that are about to flip.
    layers = "[{type: flatten}, {type: dense}, {type: erf}, {type: dense}]"
    words = ["--kernel.type", "network", "--kernel.layers", layers, "--data.size", "8"]
    given = config.load(None, words)
    experiment = VanishingGradients((8, 2048), most=4, step_size=0.01, marks=6, is_logistic=False)
    found = experiment.measure(given, str(tmp_path), Quiet())
    by_name = {row[0]: np.array(row[1:], float) for row in found.rows}
    assert list(by_name) == ["GA-NTK", "infinite, fixed", "width 8", "width 2048"]
    np.testing.assert_allclose(by_name["width 2048"], by_name["infinite, fixed"], rtol=0.2)
    assert np.abs(by_name["width 8"] / by_name["infinite, fixed"] - 1).max() > 0.2
    rbf = config.load(None, ["--kernel.type", "rbf"])
    with pytest.raises(InputError, match="a kernel that is a network's"):
        experiment.measure(rbf, str(tmp_path), Quiet())
