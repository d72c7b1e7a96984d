"""The compiled library: found, loaded, and called from JAX. Layer 2."""

import ctypes
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ganntk.kernels.native.program import Program
from ganntk.typing import Block, Rows

LIBRARY = Path(__file__).with_name("network.native.so")
"""Written by the build (hatch_build.py) where there is a C compiler; the dot keeps it from being
taken for a Python module."""

Stats = Float[Array, "rows 3 positions"]
"""Per ReLU position of a row: root r of the NNGP variance, 1/2r or 0, NTK variance."""


@functools.cache
def is_available() -> bool:
    """Whether the compiled library is there; registers its handlers with XLA the first time."""
    if not LIBRARY.exists():
        return False
    library = ctypes.CDLL(str(LIBRARY))
    for name in ("ganntk_distances", "ganntk_pullback"):
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return True


def distances(
    program: Program, x1: Rows, stats1: Stats, x2: Rows, stats2: Stats, *, is_symmetric: bool
) -> Block:
    """The NTK distances of all pairs, or, where x2 begins with x1, of those above the diagonal."""
    call = jax.ffi.ffi_call("ganntk_distances", jax.ShapeDtypeStruct((len(x1), len(x2)), x1.dtype))
    mark = jnp.zeros(int(is_symmetric), x1.dtype)
    return call(*_operands(program, x1, stats1, x2, stats2), mark)


def pull_back(
    program: Program,
    x1: Rows,
    stats1: Stats,
    x2: Rows,
    stats2: Stats,
    left: Float[Array, "rows1 rank"],
    right: Float[Array, "rows2 rank"] | None,
) -> tuple[Rows, Float[Array, "rows 2 positions"]]:
    """Pull a cotangent of the distances, as two factors or whole, back to x1 and its statistics."""
    shapes = (
        jax.ShapeDtypeStruct((len(x1), *program.image_shape), x1.dtype),
        jax.ShapeDtypeStruct((len(x1), 2, program.positions), x1.dtype),
    )
    right = jnp.zeros((0, 0), x1.dtype) if right is None else right
    call = jax.ffi.ffi_call("ganntk_pullback", shapes)
    pixels, stats = call(*_operands(program, x1, stats1, x2, stats2), left, right)
    return pixels.reshape(x1.shape), stats


def _operands(
    program: Program, x1: Rows, stats1: Stats, x2: Rows, stats2: Stats
) -> tuple[jax.Array | np.ndarray, ...]:
    images = (x.reshape(-1, *program.image_shape) for x in (x1, x2))
    first, second = images
    scales = jnp.asarray(program.scales, x1.dtype)
    return program.operations, scales, first, stats1, second, stats2
