"""The compiled libraries: found, loaded, and called from JAX. Layer 2."""

import ctypes
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ganntk.kernels.native.program import Program, as_text
from ganntk.typing import Block, Rows

LIBRARY = Path(__file__).with_name("network.native.so")
"""Written by the build (hatch_build.py) where there is a C compiler; the dot keeps it from being
taken for a Python module."""

CUDA_LIBRARY = Path(__file__).with_name("network.cuda.so")
"""The same for NVIDIA GPUs, where there is `nvcc`."""

Stats = Float[Array, "rows 3 positions"]
"""Per ReLU position of a row: root r of the NNGP variance, 1/2r or 0, NTK variance."""

_MOST_OPERATIONS_CUDA = 32

# Groups of threads that a GPU is given at least, each with rows of its own to sum over: several for
# each of its processors, which hold fewer of those with large maps.
_GROUPS, _GROUPS_OF_LARGE_MAPS, _LARGE, _PAIRS = 8192, 1024, 512, 4


def is_available() -> bool:
    """Whether there is a library for the default device."""
    platform = _platform()
    return (platform == "cpu" and _on_cpu()) or (platform == "gpu" and _cuda() is not None)


def serves(program: Program, itemsize: int) -> bool:
    """Whether the default device's library can follow a program with numbers of so many bytes."""
    if _platform() == "cpu":
        return _on_cpu()
    return is_available() and _fits(as_text(program), len(program.scales), itemsize)


def _platform() -> str:
    """Of the device that is computed on unless told otherwise."""
    chosen = getattr(jax.config, "jax_default_device")  # noqa: B009 (no type declares it)
    if chosen is None:
        return jax.default_backend()
    return chosen if isinstance(chosen, str) else chosen.platform


@functools.cache
def _on_cpu() -> bool:
    """Whether the CPU's library is there; registers its handlers with XLA the first time."""
    if not LIBRARY.exists():
        return False
    _register(ctypes.CDLL(str(LIBRARY)), ("ganntk_distances", "ganntk_pullback"), "cpu")
    return True


@functools.cache
def _cuda() -> ctypes.CDLL | None:
    """The GPU's library, if it is there; registers its handlers with XLA the first time."""
    if not CUDA_LIBRARY.exists():
        return None
    library = ctypes.CDLL(str(CUDA_LIBRARY))
    _register(library, ("ganntk_cuda_distances", "ganntk_cuda_pullback"), "CUDA")
    return library


@functools.lru_cache(maxsize=64)
def _fits(text: str, operations: int, itemsize: int) -> bool:
    library = _cuda()
    if library is None or operations > _MOST_OPERATIONS_CUDA:
        return False
    return bool(library.ganntk_cuda_fits(text.encode(), itemsize))


def _register(library: ctypes.CDLL, names: tuple[str, ...], platform: str) -> None:
    for name in names:
        handler = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(name, handler, platform=platform)


def distances(
    program: Program, x1: Rows, stats1: Stats, x2: Rows, stats2: Stats, *, is_symmetric: bool
) -> Block:
    """The NTK distances of all pairs, or, where x2 begins with x1, of those above the diagonal."""
    shape = jax.ShapeDtypeStruct((len(x1), len(x2)), x1.dtype)
    mark = jnp.zeros(int(is_symmetric), x1.dtype)
    rows = _rows(program, x1, stats1, x2, stats2)
    if _platform() == "cpu":
        return jax.ffi.ffi_call("ganntk_distances", shape)(*_operations(program, x1), *rows, mark)
    call = jax.ffi.ffi_call("ganntk_cuda_distances", shape)
    return call(*_for_threads(*rows), mark, program=as_text(program))


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
    shapes = (len(x1), *program.image_shape), (len(x1), 2, program.positions)
    right = jnp.zeros((0, 0), x1.dtype) if right is None else right
    rows = _rows(program, x1, stats1, x2, stats2)
    if _platform() == "cpu":
        call = jax.ffi.ffi_call("ganntk_pullback", [_like(s, x1) for s in shapes])
        pixels, stats = call(*_operations(program, x1), *rows, left, right)
        return pixels.reshape(x1.shape), stats
    chunks = _chunks(program, len(x1), len(x2))
    call = jax.ffi.ffi_call("ganntk_cuda_pullback", [_like((chunks, *s), x1) for s in shapes])
    pixels, stats = call(*_for_threads(*rows), left, right, program=as_text(program))
    return jnp.sum(pixels, axis=0).reshape(x1.shape), jnp.sum(stats, axis=0)


def _chunks(program: Program, rows1: int, rows2: int) -> int:
    """Parts of the second set, each with sums of its own."""
    out_h, out_w = program.operations[0][3:5]
    groups = _GROUPS if out_h * out_w <= _LARGE else _GROUPS_OF_LARGE_MAPS
    # A group takes some pairs at a time: with fewer rows it would compute some of them twice.
    return max(1, min(-(-groups // rows1), -(-rows2 // _PAIRS)))


def _for_threads(
    x1: jax.Array, stats1: Stats, x2: jax.Array, stats2: Stats
) -> tuple[jax.Array, ...]:
    """Statistics (rows, positions, 4): a position's are one load."""
    first, second = (
        jnp.pad(jnp.swapaxes(stats, 1, 2), [(0, 0), (0, 0), (0, 1)]) for stats in (stats1, stats2)
    )
    return x1, first, x2, second


def _like(shape: tuple[int, ...], rows: Rows) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, rows.dtype)


def _operations(program: Program, x: Rows) -> tuple[Any, jax.Array]:
    return program.operations, jnp.asarray(program.scales, x.dtype)


def _rows(
    program: Program, x1: Rows, stats1: Stats, x2: Rows, stats2: Stats
) -> tuple[jax.Array, ...]:
    first, second = (x.reshape(-1, *program.image_shape) for x in (x1, x2))
    return first, stats1, second, stats2
