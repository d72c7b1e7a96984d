"""Windows of a convolution over leading position axes: patches, sums, distances. Layer 2."""

import functools
import itertools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.kernels.covariance import squared_distance


class Window(NamedTuple):
    """Where a convolution looks: filter (height, width), strides, and the border's treatment."""

    shape: tuple[int, int]
    strides: tuple[int, int]
    padding: Literal["SAME", "VALID"]

    def span(self, axis: int, size: int) -> tuple[int, tuple[int, int]]:
        """Number of output positions along an axis, and the zeros before and after it."""
        width, stride = self.shape[axis], self.strides[axis]
        if self.padding == "VALID":
            return (size - width) // stride + 1, (0, 0)
        count = -(-size // stride)
        total = max((count - 1) * stride + width - size, 0)
        return count, (total // 2, total - total // 2)

    def steps(self, axis: int, offset: int, count: int) -> slice:
        """The positions that meet the filter's entry `offset`, one for each output."""
        stride = self.strides[axis]
        return slice(offset, offset + (count - 1) * stride + 1, stride)


def patches(
    a: Float[Array, "h w channels rows"], window: Window
) -> Float[Array, "out_h out_w patch rows"]:
    """Gather the window of every output position; outside the image there are zeros."""
    (out_h, pad_h), (out_w, pad_w) = window.span(0, a.shape[0]), window.span(1, a.shape[1])
    padded = jnp.pad(a, (pad_h, pad_w, (0, 0), (0, 0)))
    offsets = itertools.product(*map(range, window.shape))
    return jnp.concatenate(
        [padded[window.steps(0, i, out_h), window.steps(1, j, out_w)] for i, j in offsets], axis=2
    )


def window_sum(k: Float[Array, "h w ..."], window: Window) -> Float[Array, "out_h out_w ..."]:
    """Sum over the window of every output position, one axis after the other."""
    for axis in (0, 1):
        count, around = window.span(axis, k.shape[axis])
        # Materialised: each slice would otherwise compute the chain behind it again.
        k = jax.lax.optimization_barrier(k)
        padded = jnp.pad(k, [around if i == axis else (0, 0) for i in range(k.ndim)])
        slices = [window.steps(axis, offset, count) for offset in range(window.shape[axis])]
        k = functools.reduce(jnp.add, [padded[(slice(None),) * axis + (each,)] for each in slices])
    return k


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def window_distance(
    window: Window,
    a: Float[Array, "h w channels rows1"],
    b: Float[Array, "h w channels rows2"],
) -> Float[Array, "out_h out_w rows1 rows2"]:
    """The window sum of squared distances of pixels, as the squared distance of patches.

    Forward, nothing exists at the image's resolution: the patches' differences stay in registers.
    Backward it is the other way round: the cotangent is spread to pixels first, because each pixel
    lies in several windows.
    """
    gathered = jax.lax.optimization_barrier((patches(a, window), patches(b, window)))
    return jax.lax.optimization_barrier(squared_distance(*gathered))


def _window_distance_forward(
    window: Window, a: jax.Array, b: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return window_distance(window, a, b), (a, b)


def _window_distance_backward(
    window: Window, rows: tuple[jax.Array, jax.Array], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    return jax.vjp(lambda a, b: window_sum(squared_distance(a, b), window), *rows)[1](cotangent)


window_distance.defvjp(_window_distance_forward, _window_distance_backward)
