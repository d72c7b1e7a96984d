"""The named peers, and the same work done by ganntk: one step's kernel and gradient."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ganntk.kernels import (
    Conv,
    Dense,
    Flatten,
    Kernel,
    Network,
    gram_of_moving,
    named,
    pullback_of_moving,
)
from ganntk.kernels.stax import import_stax

SHAPES = {"cnn-mnist": (28, 28, 1), "cnn-cifar10": (32, 32, 3), "cnn-celeba": (64, 64, 3)}
"""The images that each kernel is the paper's choice for."""


class Rows(NamedTuple):
    """Generated and real rows, and a symmetric cotangent of the Gram matrix of both."""

    z: jax.Array
    x: jax.Array
    cotangent: jax.Array


def rows(name: str, n: int, dtype: str = "float32") -> Rows:
    """Random images of the shape for a kernel: times do not depend on what is in them."""
    random = np.random.default_rng(0)
    z, x = random.uniform(size=(2, n, *SHAPES[name])).astype(dtype)
    cotangent = random.normal(size=(2 * n, 2 * n)).astype(dtype)
    return Rows(*map(jnp.asarray, (z, x, cotangent + cotangent.T)))


def stax_kernel(network: Network) -> Callable[..., jax.Array]:
    """The kernel function of the same network in neural-tangents."""
    stax = import_stax()
    layers = []
    for layer in network.layers:
        if isinstance(layer, Flatten):
            layers.append(stax.Flatten())
        elif isinstance(layer, Dense | Conv):
            std = {"W_std": layer.weight_variance**0.5, "b_std": layer.bias_variance**0.5}
            if isinstance(layer, Conv):
                layers.append(stax.Conv(1, layer.filter_shape, layer.strides, layer.padding, **std))
            else:
                layers.append(stax.Dense(1, **std))
        else:
            layers.append(stax.Relu())
    return stax.serial(*layers)[2]


def peer_step(name: str) -> Callable[[Rows], tuple[jax.Array, jax.Array]]:
    """neural-tangents: value and gradient of the kernel of all rows, as one graph."""
    kernel = stax_kernel(named(name))

    def objective(z: jax.Array, given: Rows) -> jax.Array:
        return jnp.sum(given.cotangent * kernel(jnp.concatenate([z, given.x]), None, "ntk"))

    return jax.jit(lambda given: jax.value_and_grad(objective)(given.z, given))


def our_step(name: str) -> Callable[[Rows], tuple[jax.Array, jax.Array]]:
    """ganntk: the blocks that change, and the pull-back of the same cotangent."""
    kernel: Kernel = named(name)

    def step(given: Rows) -> tuple[jax.Array, jax.Array]:
        m = len(given.z)
        block = gram_of_moving(kernel, given.z, given.x)
        rows_of_z = given.cotangent[:m]
        # The block of real and generated rows stands twice in the Gram matrix.
        moving = jnp.concatenate([rows_of_z[:, :m], 2 * rows_of_z[:, m:]], axis=1)
        return block, pullback_of_moving(kernel, given.z, given.x, moving)

    return jax.jit(step)


STEPS = {"neural-tangents": peer_step, "ganntk": our_step}
