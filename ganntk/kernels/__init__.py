"""Kernels: the architecture of the infinitely wide discriminator, as $k(x_1, x_2)$."""

from ganntk.kernels.architectures import ALIASES, ARCHITECTURES, Named, named
from ganntk.kernels.base import Kernel
from ganntk.kernels.gram import gram, gram_of_moving, pullback, pullback_of_moving
from ganntk.kernels.layers import Conv, Dense, Erf, Flatten, Layer, LeakyRelu, Relu
from ganntk.kernels.network import Network
from ganntk.kernels.pooling import AvgPool, GlobalAvgPool
from ganntk.kernels.rbf import RBF
from ganntk.kernels.stax import Stax, StaxReference

__all__ = [
    "ALIASES",
    "ARCHITECTURES",
    "RBF",
    "AvgPool",
    "Conv",
    "Dense",
    "Erf",
    "Flatten",
    "GlobalAvgPool",
    "Kernel",
    "Layer",
    "LeakyRelu",
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
