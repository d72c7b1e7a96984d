r"""Gram matrices and their pull-backs, by the engine that fits: compiled code, or tiles. Layer 2.

Networks go through `ganntk.kernels.native`, where it was compiled for the device; other kernels
go through `ganntk.kernels.tiled`. Both keep memory bounded: nothing of the size of pairs times
positions exists, and a pull-back computes each pair again instead of keeping what its way back
needs.
"""

import functools

import jax
import jax.numpy as jnp

from ganntk.errors import InputError
from ganntk.kernels import native, tiled
from ganntk.kernels.architectures import Named
from ganntk.kernels.base import Kernel
from ganntk.kernels.network import Network
from ganntk.typing import Block, Cotangent, LowRank, Rows


def gram(k: Kernel, x1: Rows, x2: Rows | None = None, *, memory_bytes: int | None = None) -> Block:
    """Evaluate a kernel between all pairs of rows.

    Differentiable by `jax.grad` and `jax.vjp`, once, through `pullback`: in bounded memory too.

    Args:
        k: the kernel.
        x1: first rows, shape (n1, ...).
        x2: second rows, shape (n2, ...); None means `x1` again, each pair once.
        memory_bytes: budget for the feature maps of one tile, in bytes; None for what suits the
            device. The compiled code needs little and does not ask.

    Returns:
        Shape (n1, n2). Without `x2` exactly symmetric, with the analytic diagonal.

    Raises:
        InputError: there are no rows, or the two sets differ in shape or type.
    """
    if x2 is None:
        return _symmetric(k, memory_bytes, x1)
    _check_rows(x1, x2)
    return _rectangle(k, memory_bytes, x1, x2)


def gram_of_moving(k: Kernel, z: Rows, x: Rows, *, memory_bytes: int | None = None) -> Block:
    """Evaluate a kernel between rows that move and all rows, in one pass: $k(z, [z; x])$.

    Args:
        k: the kernel.
        z: rows that move, shape (m, ...); each pair of them is evaluated once.
        x: rows that do not, shape (n, ...), possibly none.
        memory_bytes: as for `gram`.

    Returns:
        Shape (m, m + n), its first m columns exactly symmetric with the analytic diagonal.
    """
    _check_rows(z, x)
    layers = _served(k, z)
    if layers is None:
        block = tiled.gram_of_moving(k, z, x, memory_bytes=memory_bytes)
    else:
        block = native.block(layers, z, jnp.concatenate([z, x]), is_symmetric=True)
    # Pairs on and beside the diagonal may be there twice: the lower half takes the upper one's.
    upper = jnp.triu(block[:, : len(z)], 1)
    among = upper + upper.T + jnp.diag(k.diagonal(z))
    return jnp.concatenate([among, block[:, len(z) :]], axis=1)


def pullback(
    k: Kernel,
    x1: Rows,
    x2: Rows | None,
    cotangent: Cotangent,
    *,
    memory_bytes: int | None = None,
) -> Rows:
    r"""Pull a cotangent of a Gram matrix back to the rows.

    $\partial/\partial x_1 \sum_{ij} C_{ij}\, k(x_{1i}, x_{2j})$, or, when `x2` is None, the total
    derivative of $\sum_{ij} C_{ij}\, k(x_{1i}, x_{1j})$ for a symmetric $C$.

    Args:
        k: the kernel.
        x1: rows to differentiate with respect to, shape (n1, ...).
        x2: the other rows, held constant; None means `x1` again.
        cotangent: C, shape (n1, n2), or its two factors.
        memory_bytes: as for `gram`.

    Returns:
        The gradient, shaped as `x1`.
    """
    if x2 is None:
        return pullback_of_moving(k, x1, x1[:0], cotangent, memory_bytes=memory_bytes)
    _check_rows(x1, x2)
    layers = _served(k, x1)
    if layers is None:
        return tiled.pullback(k, x1, x2, cotangent, memory_bytes=memory_bytes)
    return native.pullback(layers, x1, x2, cotangent)


def pullback_of_moving(
    k: Kernel, z: Rows, x: Rows, cotangent: Cotangent, *, memory_bytes: int | None = None
) -> Rows:
    r"""Pull a cotangent of `gram_of_moving` back to the rows that move, in one pass.

    The total derivative of $\sum_{ab} C_{ab}\,k(z_a, z_b) + \sum_{ai} C_{a,m+i}\,k(z_a, x_i)$ by z,
    for a C whose first m columns are symmetric.

    Args:
        k: the kernel.
        z: rows that move, shape (m, ...).
        x: rows that do not, shape (n, ...), possibly none.
        cotangent: C, shape (m, m + n), or its two factors.
        memory_bytes: as for `gram`.

    Returns:
        The gradient, shaped as `z`.
    """
    _check_rows(z, x)
    layers = _served(k, z)
    if layers is None:
        return tiled.pullback_of_moving(k, z, x, cotangent, memory_bytes=memory_bytes)
    # k(z_a, z_b) stands twice among moving rows; on the diagonal it is two halves of one gradient.
    weight = jnp.where(jnp.arange(len(z) + len(x)) < len(z), 2, 1).astype(z.dtype)
    if isinstance(cotangent, LowRank):
        doubled: Cotangent = cotangent._replace(right=cotangent.right * weight[:, None])
    else:
        doubled = cotangent * weight
    return native.pullback(layers, z, jnp.concatenate([z, x]), doubled)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _rectangle(k: Kernel, memory_bytes: int | None, x1: Rows, x2: Rows) -> Block:
    layers = _served(k, x1)
    if layers is None:
        return tiled.gram(k, x1, x2, memory_bytes=memory_bytes)
    return native.block(layers, x1, x2, is_symmetric=False)


def _rectangle_forward(
    k: Kernel, memory_bytes: int | None, x1: Rows, x2: Rows
) -> tuple[Block, tuple[Rows, Rows]]:
    return _rectangle(k, memory_bytes, x1, x2), (x1, x2)


def _rectangle_backward(
    k: Kernel, memory_bytes: int | None, rows: tuple[Rows, Rows], cotangent: Block
) -> tuple[Rows, Rows]:
    x1, x2 = rows
    return (
        pullback(k, x1, x2, cotangent, memory_bytes=memory_bytes),
        pullback(k, x2, x1, cotangent.T, memory_bytes=memory_bytes),
    )


_rectangle.defvjp(_rectangle_forward, _rectangle_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _symmetric(k: Kernel, memory_bytes: int | None, x: Rows) -> Block:
    return gram_of_moving(k, x, x[:0], memory_bytes=memory_bytes)


def _symmetric_forward(k: Kernel, memory_bytes: int | None, x: Rows) -> tuple[Block, Rows]:
    return _symmetric(k, memory_bytes, x), x


def _symmetric_backward(
    k: Kernel, memory_bytes: int | None, x: Rows, cotangent: Block
) -> tuple[Rows]:
    symmetric = (cotangent + cotangent.T) / 2
    return (pullback(k, x, None, symmetric, memory_bytes=memory_bytes),)


_symmetric.defvjp(_symmetric_forward, _symmetric_backward)


def _served(k: Kernel, x: Rows) -> native.Layers | None:
    """The layers of a network that the compiled code evaluates on these rows, else None."""
    network = k.network if isinstance(k, Named) else k
    if isinstance(network, Network) and native.serves(network.layers, x):
        return network.layers
    return None


def _check_rows(x1: Rows, x2: Rows) -> None:
    if x1.shape[1:] != x2.shape[1:] or x1.dtype != x2.dtype:
        raise InputError(
            f"rows of shape {x1.shape[1:]} and {x2.shape[1:]}, type {x1.dtype} and {x2.dtype}: "
            "expected both sets to have one shape and one type"
        )
    if not len(x1):
        raise InputError("no rows were given: expected at least one")
