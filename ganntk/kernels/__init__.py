"""Kernels: the architecture of the infinitely wide discriminator, as $k(x_1, x_2)$."""

from ganntk.kernels.architectures import ALIASES, ARCHITECTURES, Named, named
from ganntk.kernels.base import Kernel
from ganntk.kernels.layers import Conv, Dense, Erf, Flatten, Layer, Relu
from ganntk.kernels.network import Network
from ganntk.kernels.rbf import RBF
from ganntk.kernels.stax import Stax, StaxReference
from ganntk.kernels.tiled import gram, gram_of_moving, pullback, pullback_of_moving

__all__ = [
    "ALIASES",
    "ARCHITECTURES",
    "RBF",
    "Conv",
    "Dense",
    "Erf",
    "Flatten",
    "Kernel",
    "Layer",
    "Named",
    "Network",
    "Relu",
    "Stax",
    "StaxReference",
    "gram",
    "gram_of_moving",
    "named",
    "pullback",
    "pullback_of_moving",
]
