"""Oracle: a network of ours built a second time, in `neural_tangents.stax`."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Float

from ganntk.kernels import (
    AvgPool,
    Conv,
    Dense,
    Erf,
    Flatten,
    GlobalAvgPool,
    Layer,
    LeakyRelu,
    Network,
    Relu,
)
from ganntk.kernels.stax import import_stax


def stax_twin(network: Network) -> Callable[..., Float[Array, "rows1 rows2"]]:
    """The NTK of the same architecture as neural-tangents computes it, as k(x1, x2)."""
    stax = import_stax()
    kernel_fn = stax.serial(*(_twin(stax, layer) for layer in network.layers))[2]
    return lambda x1, x2: kernel_fn(x1, x2, "ntk")


def _twin(stax: Any, layer: Layer) -> tuple:
    match layer:
        case Dense(weight, bias):
            return stax.Dense(1, W_std=weight**0.5, b_std=bias**0.5)
        case Conv(shape, strides, padding, weight, bias):
            scales = {"W_std": weight**0.5, "b_std": bias**0.5}
            return stax.Conv(1, shape, strides, padding, **scales)
        case Relu():
            return stax.Relu()
        case LeakyRelu(slope):
            return stax.LeakyRelu(slope)
        case Erf():
            return stax.Erf()
        case Flatten():
            return stax.Flatten()
        case AvgPool(window, strides, padding):
            return stax.AvgPool(window, strides, padding)
        case GlobalAvgPool():
            return stax.GlobalAvgPool()
    raise TypeError(f"{layer} has no twin in neural_tangents.stax")


def block_and_pullback(
    kernel: Callable[[jax.Array, jax.Array], jax.Array],
    x1: jax.Array,
    x2: jax.Array,
    cotangent: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """A kernel's block between two sets of rows, and its cotangent pulled back to both."""
    block, pull = jax.vjp(kernel, x1, x2)
    return block, *pull(cotangent)
