"""A stack of layers as the list of windows and ReLUs that the compiled code follows. Layer 2."""

import math
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int32

from ganntk.kernels.layers import Conv, Dense, Flatten, Layer, Relu
from ganntk.kernels.windows import Window

_MOST_OPERATIONS = 256


class _Kind(IntEnum):
    WINDOW = 0
    RELU = 1


class Program(NamedTuple):
    """The operations of a network on images of one shape; see `Operation` in network.h.

    Args:
        operations: per operation its kind, input and output (height, width), window (height,
            width), strides, zeros before, whether it has weights, and a ReLU's first statistic.
        scales: per operation, what a window's sums are multiplied with.
        image_shape: (height, width, channels) that rows are given.
        positions: of all ReLUs together.
    """

    operations: Int32[np.ndarray, "operations 13"]
    scales: Float64[np.ndarray, " operations"]
    image_shape: tuple[int, int, int]
    positions: int


def compile_program(layers: Sequence[Layer], row_shape: tuple[int, ...]) -> Program | None:
    """The program of a stack of layers, or None where it has a layer of another kind."""
    # A ReLU of raw rows is nobody's architecture.
    if len(row_shape) > 3 or len(layers) > _MOST_OPERATIONS or isinstance(layers[0], Relu):
        return None
    height, width, channels = (*(1,) * (3 - len(row_shape)), *row_shape)
    operations, scales, size, positions = [], [], (height, width), 0
    for layer in layers:
        if isinstance(layer, Relu):
            operations.append([_Kind.RELU, *size, *size, 0, 0, 0, 0, 0, 0, 0, positions])
            scales.append(0.0)
            positions += math.prod(size)
            continue
        found = _linear(layer, size)
        if found is None:
            return None
        operation, scale, size = found
        operations.append(operation)
        scales.append(scale)
    scales[0] /= channels
    if size != (1, 1):
        return None
    return Program(
        np.asarray(operations, np.int32), np.asarray(scales), (height, width, channels), positions
    )


def as_text(program: Program) -> str:
    """A program as the attribute of a custom call: host code of a GPU sees no operands."""
    head = [len(program.scales), program.image_shape[-1], program.positions]
    words = [str(number) for number in head]
    for operation, scale in zip(program.operations, program.scales, strict=True):
        words += [*map(str, operation.tolist()), repr(float(scale))]
    return " ".join(words)


def _linear(layer: Layer, size: tuple[int, int]) -> tuple[list[int], float, tuple[int, int]] | None:
    """The operation of a layer that is linear in covariances, its scale, and its output's size."""
    if type(layer) is Dense:
        operation = _window(size, (1, 1), (1, 1), (0, 0), size, has_weights=True)
        return operation, layer.weight_variance, size
    if type(layer) is Flatten:
        operation = _window(size, size, (1, 1), (0, 0), (1, 1), has_weights=False)
        return operation, 1 / math.prod(size), (1, 1)
    if type(layer) is Conv:
        window = Window(layer.filter_shape, layer.strides, layer.padding)
        (out_h, (top, _)), (out_w, (left, _)) = (window.span(axis, size[axis]) for axis in (0, 1))
        out = (out_h, out_w)
        operation = _window(size, window.shape, window.strides, (top, left), out, has_weights=True)
        return operation, layer.weight_variance / math.prod(window.shape), out
    return None


def _window(
    size: tuple[int, int],
    shape: tuple[int, int],
    strides: tuple[int, int],
    before: tuple[int, int],
    out: tuple[int, int],
    *,
    has_weights: bool,
) -> list[int]:
    return [_Kind.WINDOW, *size, *out, *shape, *strides, *before, has_weights, 0]
