r"""Blocks and pull-backs of a network by the compiled code. Layer 2.

The code knows pairs only. What belongs to one row, its variances through the layers, is computed
here by the layers themselves, and differentiated automatically: $k_{12} = (\Theta_1 + \Theta_2 -
T_{12})/2$, where $T$ is the compiled function of the rows and of their variances at each ReLU.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.kernels.layers import Layer, Relu
from ganntk.kernels.layers import _root as root
from ganntk.kernels.native import calls
from ganntk.kernels.native.program import Program, compile_program
from ganntk.typing import Block, Cotangent, LowRank, Rows

Layers = tuple[Layer, ...]


def serves(layers: Layers, x: Rows) -> bool:
    """Whether the compiled code can do this: its library, the default device, layers and rows."""
    if not calls.is_available() or x.dtype not in (jnp.float32, jnp.float64):
        return False
    program = compile_program(layers, x.shape[1:])
    return program is not None and calls.serves(program, x.dtype.itemsize)


@functools.partial(jax.jit, static_argnums=0, static_argnames="is_symmetric")
def block(layers: Layers, x1: Rows, x2: Rows, *, is_symmetric: bool) -> Block:
    """The kernel between all pairs, shape (n1, n2).

    Args:
        layers: that `serves` accepts.
        x1: first rows.
        x2: second rows.
        is_symmetric: x2 begins with x1: entries below the diagonal are not computed.
    """
    program = _program(layers, x1)
    first, second = _variances(layers, x1), _variances(layers, x2)
    t = calls.distances(program, x1, _stats(first), x2, _stats(second), is_symmetric=is_symmetric)
    return (first.theta[:, None] + second.theta[None, :] - t) / 2


@functools.partial(jax.jit, static_argnums=0)
def pullback(layers: Layers, x1: Rows, x2: Rows, cotangent: Cotangent) -> Rows:
    """The derivative of ``sum(cotangent * k(x1, x2))`` by x1, shaped as x1."""
    program = _program(layers, x1)
    first, pull = jax.vjp(lambda x: _variances(layers, x), x1)
    stats = _stats(first), _stats(_variances(layers, x2))
    # k = (theta1 + theta2 - T) / 2
    if isinstance(cotangent, LowRank):
        left, right = cotangent.left, cotangent.right
        sums = jnp.matmul(left, jnp.sum(right, axis=0), precision="highest")
    else:
        left, right = cotangent, None
        sums = jnp.sum(cotangent, axis=1)
    pixels, bars = calls.pull_back(program, x1, stats[0], x2, stats[1], -left / 2, right)
    (through_variances,) = pull(_Variances(bars[:, 0], bars[:, 1], sums / 2))
    return pixels + through_variances


class _Variances(NamedTuple):
    """What the compiled code needs of rows one by one."""

    roots: Float[Array, "rows positions"]
    ntks: Float[Array, "rows positions"]
    theta: Float[Array, " rows"]


def _variances(layers: Layers, x: Rows) -> _Variances:
    """Follow the variances of rows: at the ReLUs, and of the output."""
    first, *rest = layers
    roots, ntks = [jnp.zeros((0, len(x)), x.dtype)], [jnp.zeros((0, len(x)), x.dtype)]
    v = first.input_variance(x)
    for layer in rest:
        if isinstance(layer, Relu):
            roots.append(root(v.nngp).reshape(-1, len(x)))
            ntks.append(v.ntk.reshape(-1, len(x)))
        v = layer.variance(v)
    return _Variances(jnp.concatenate(roots).T, jnp.concatenate(ntks).T, v.ntk)


def _stats(v: _Variances) -> calls.Stats:
    positive = v.roots > 0
    halves = jnp.where(positive, 0.5 / jnp.where(positive, v.roots, 1), 0)
    return jnp.stack([v.roots, halves, v.ntks], axis=1)


def _program(layers: Layers, x: Rows) -> Program:
    program = compile_program(layers, x.shape[1:])
    if program is None:
        raise ValueError("the compiled code does not know these layers: ask `serves` first")
    return program
