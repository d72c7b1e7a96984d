"""The closed forms, against the tangent kernels of wide networks at initialisation."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.kernels import Dense, Erf, Flatten, LeakyRelu, Network, Relu

WIDTH = 256
NETWORKS = 192
WEIGHT, BIAS = 1.4615, 0.1
NONLINEARITIES = {
    "relu": (Relu(), jax.nn.relu),
    "leaky_relu": (LeakyRelu(0.2), functools.partial(jax.nn.leaky_relu, negative_slope=0.2)),
    "erf": (Erf(), jax.lax.erf),
}


def initial(key: jax.Array, sizes: tuple[int, ...]) -> list[tuple[jax.Array, jax.Array]]:
    """Standard normal weights and biases: the NTK parameterisation scales them when applied."""
    keys = jax.random.split(key, 2 * len(sizes))
    return [
        (jax.random.normal(keys[2 * i], shape), jax.random.normal(keys[2 * i + 1], shape[1:]))
        for i, shape in enumerate(itertools.pairwise(sizes))
    ]


def output(nonlinearity, parameters: list, x: jax.Array) -> jax.Array:
    """The network's single output at one row."""
    for i, (weights, biases) in enumerate(parameters):
        x = nonlinearity(x) if i else x
        x = jnp.sqrt(WEIGHT / len(x)) * x @ weights + jnp.sqrt(BIAS) * biases
    return x[0]


def tangent_kernel(nonlinearity, rows: jax.Array, key: jax.Array) -> jax.Array:
    """Products of the gradients by all parameters, shape (rows, rows)."""
    parameters = initial(key, (rows.shape[1], WIDTH, WIDTH, 1))
    gradients = jax.vmap(jax.grad(functools.partial(output, nonlinearity)), (None, 0))(
        parameters, rows
    )
    flat = [g.reshape(len(rows), -1) for g in jax.tree.leaves(gradients)]
    return sum((g @ g.T for g in flat), start=jnp.zeros(()))


@pytest.mark.parametrize("name", NONLINEARITIES)
def test_the_kernel_is_the_mean_tangent_kernel_of_wide_networks(name):
    layer, nonlinearity = NONLINEARITIES[name]
    rows = jax.random.uniform(jax.random.key(0), (3, 4))
    network = Network((Flatten(), Dense(), layer, Dense(), layer, Dense()))
    keys = jax.random.split(jax.random.key(1), NETWORKS)
    one = functools.partial(tangent_kernel, nonlinearity, rows)
    samples = np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(keys), np.float64)
    mean, error = samples.mean(axis=0), samples.std(axis=0, ddof=1) / np.sqrt(NETWORKS)
    assert np.all(error < 0.015 * mean)  # else the test would say little
    gap = np.abs(mean - np.asarray(jax.jit(network)(rows, rows)))
    # Four standard errors, and the bias of a finite width, of order 1 / width.
    np.testing.assert_array_less(gap, 4 * error + mean / WIDTH)
