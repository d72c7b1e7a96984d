"""A network compiled one layer at a time, so that networks of equal layers share the work.

XLA takes a minute for sixteen layers in one piece, and a second for each layer that differs.
"""

import functools
from dataclasses import dataclass

import jax

from ganntk.kernels import Flatten, Layer, Network
from ganntk.kernels.covariance import Distance, Variance
from ganntk.typing import Rows

_compiled = functools.partial(jax.jit, static_argnums=0)


@dataclass(frozen=True)
class Piece(Layer):
    """The same layer, compiled by itself."""

    layer: Layer

    def variance(self, v: Variance) -> Variance:
        return _variance(self.layer, v)

    def distance(self, d: Distance, v1: Variance, v2: Variance) -> Distance:
        return _distance(self.layer, d, v1, v2)

    def input_variance(self, x: Rows) -> Variance:
        return _input_variance(self.layer, x)

    def input_distance(self, x1: Rows, x2: Rows) -> Distance:
        return _input_distance(self.layer, x1, x2)


def piecewise(network: Network) -> Network:
    """The same network, whose layers compile one by one."""
    return Network(
        tuple(layer if isinstance(layer, Flatten) else Piece(layer) for layer in network.layers)
    )


@_compiled
def _variance(layer: Layer, v: Variance) -> Variance:
    return layer.variance(v)


@_compiled
def _distance(layer: Layer, d: Distance, v1: Variance, v2: Variance) -> Distance:
    return layer.distance(d, v1, v2)


@_compiled
def _input_variance(layer: Layer, x: Rows) -> Variance:
    return layer.input_variance(x)


@_compiled
def _input_distance(layer: Layer, x1: Rows, x2: Rows) -> Distance:
    return layer.input_distance(x1, x2)
