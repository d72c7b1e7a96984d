"""A network of finite width whose tangent kernel tends to a given one. Layer 7.

The NTK parameterisation: weights and biases are standard normal, and a layer scales them by the
square root of its variance over the numbers it adds up. Gradient descent on half the squared error
with steps of size h is, after s steps, what the infinite network is at the time `lam` = h s.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.kernels import Conv, Dense, Erf, Flatten, LeakyRelu, Relu
from ganntk.kernels.layers import Layer
from ganntk.typing import Count, Key, Labels, Rows

Parameters: TypeAlias = list[tuple[Array, ...]]
"""Weights and biases of each layer that has some; an empty tuple for the others."""


def start(layers: Sequence[Layer], key: Key, row_shape: tuple[int, ...], width: int) -> Parameters:
    """Standard normal weights, `width` features in every layer but the last.

    Raises:
        InputError: a layer has no finite form here.
    """
    shape, parameters = row_shape, []
    last = max(i for i, layer in enumerate(layers) if isinstance(layer, Dense | Conv))
    for i, layer in enumerate(layers):
        weights_key, bias_key = jax.random.split(jax.random.fold_in(key, i))
        after = 1 if i == last else width
        if isinstance(layer, Dense | Conv):
            window = layer.filter_shape if isinstance(layer, Conv) else ()
            weights = jax.random.normal(weights_key, (*window, shape[-1], after))
            parameters.append((weights, jax.random.normal(bias_key, (after,))))
        elif isinstance(layer, Flatten | Relu | LeakyRelu | Erf):
            parameters.append(())
        else:
            raise InputError(f"no finite network with {type(layer).__name__} is known here")
        probe = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
        shape = jax.eval_shape(lambda x, k=i: _layer(layers[k], parameters[k], x), probe).shape[1:]
    return parameters


def output(layers: Sequence[Layer], parameters: Parameters, x: Rows) -> Float[Array, " rows"]:
    """The network's only output at each row."""
    features: Array = x
    for layer, own in zip(layers, parameters, strict=True):
        features = _layer(layer, own, features)
    return features[:, 0]


def stepped(
    layers: Sequence[Layer],
    first: Parameters,
    parameters: Parameters,
    x: Rows,
    y: Labels,
    size: float,
    *,
    is_logistic: bool = False,
) -> Parameters:
    r"""One step of gradient descent on $\frac12|f - f_0 - y|^2$; jittable.

    Args:
        layers: of the network.
        first: its parameters at the start: what they say is subtracted, as the kernel's mean is 0.
        parameters: now.
        x: rows.
        y: their labels.
        size: of the step.
        is_logistic: on $\sum_i \log(1 + e^{-(2y_i - 1)(f - f_0)_i})$ instead, as in a GAN.
    """
    before = output(layers, first, x)

    def loss(parameters: Parameters) -> Array:
        f = output(layers, parameters, x) - before
        if is_logistic:
            return jnp.sum(jax.nn.softplus((1 - 2 * y) * f))
        return jnp.sum(jnp.square(f - y)) / 2

    slope = jax.grad(loss)(parameters)
    return jax.tree.map(lambda weights, by: weights - size * by, parameters, slope)


def trained(
    step: Callable[[Parameters], Parameters],
    layers: Sequence[Layer],
    parameters: Parameters,
    steps: int,
) -> Parameters:
    """Take some steps.

    Args:
        step: one of them, jitted.
        layers: of the network.
        parameters: now.
        steps: how many.
    """
    if not any(isinstance(layer, Conv) for layer in layers):
        return _in_one_call(step, parameters, steps)
    # In a loop of XLA's, convolutions on a CPU are many times slower than in one of the host.
    for _ in range(steps):
        parameters = step(parameters)
    return parameters


@functools.partial(jax.jit, static_argnums=0)
def _in_one_call(
    step: Callable[[Parameters], Parameters], parameters: Parameters, steps: Count
) -> Parameters:
    return jax.lax.fori_loop(0, steps, lambda _, now: step(now), parameters)


def _layer(layer: Layer, own: tuple[Array, ...], x: Array) -> Array:
    if isinstance(layer, Flatten):
        return x.reshape(len(x), -1)
    if isinstance(layer, Relu):
        return jax.nn.relu(x)
    if isinstance(layer, LeakyRelu):
        return jax.nn.leaky_relu(x, layer.slope)
    if isinstance(layer, Erf):
        return jax.lax.erf(x)
    assert isinstance(layer, Dense | Conv)
    weights, bias = own
    scale = math.sqrt(layer.weight_variance / math.prod(weights.shape[:-1]))
    shift = math.sqrt(layer.bias_variance) * bias
    if isinstance(layer, Dense):
        return scale * x @ weights + shift
    dimensions = ("NHWC", "HWIO", "NHWC")
    convolved = jax.lax.conv_general_dilated(
        x, weights, layer.strides, layer.padding, dimension_numbers=dimensions
    )
    return scale * convolved + shift
