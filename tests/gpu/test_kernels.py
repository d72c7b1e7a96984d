"""Gram matrices and pull-backs on a GPU against float64 on the CPU, with memory and TF32."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.kernels import (
    RBF,
    Kernel,
    Network,
    gram_of_moving,
    named,
    pullback_of_moving,
)
from ganntk.kernels.architectures import ARCHITECTURES
from ganntk.typing import LowRank
from tests.reference.piecewise import piecewise

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("float64")]

SHAPE = (12, 12, 2)
MOVING, STILL = 5, 4
# Measured at most a third of these, over all architectures; TF32 would give 3e-4.
TOLERANCES = {"float64": (1e-13, 1e-12), "float32": (3e-7, 2e-6)}


def rows(count: int, seed: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Random images that float32 holds exactly."""
    random = np.random.default_rng(seed).uniform(size=(count, *shape))
    return random.astype(np.float32).astype(np.float64)


def cotangent(moving: int, still: int) -> np.ndarray:
    random = np.random.default_rng(3).normal(size=(moving, moving + still))
    random[:, :moving] += random[:, :moving].T.copy()
    return random.astype(np.float32).astype(np.float64)


def in_one_piece(k: Kernel, z: np.ndarray, x: np.ndarray, C: np.ndarray) -> tuple:
    """The block of z against z and x, and the total derivative, straight from the kernel."""
    z, x, C = map(jnp.asarray, (z, x, C))
    block, pull = jax.vjp(k, z, jnp.concatenate([z, x]))
    first, second = pull(C)
    return np.asarray(block), np.asarray(first + second[: len(z)])


def error(found: jax.Array, wanted: np.ndarray) -> float:
    found = np.asarray(found, np.float64)
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@functools.cache
def reference(name: str) -> tuple[np.ndarray, np.ndarray]:
    """float64 on the CPU, without tiles, compiled layer by layer."""
    with jax.default_device(jax.devices("cpu")[0]):
        C = cotangent(MOVING, STILL)
        return in_one_piece(piecewise(named(name)), rows(MOVING, 0), rows(STILL, 1), C)


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_kernel_and_its_pullback_are_those_of_the_cpu(name, precision):
    kernel: Network = named(name)
    # Tiles of three rows: several of them, and some are padded.
    budget = 9 * kernel.bytes_per_pair(SHAPE, np.dtype(precision).itemsize)
    z, x = (jnp.asarray(rows(n, seed), precision) for n, seed in ((MOVING, 0), (STILL, 1)))
    C = jnp.asarray(cotangent(MOVING, STILL), precision)
    block = gram_of_moving(kernel, z, x, memory_bytes=budget)
    slope = pullback_of_moving(kernel, z, x, C, memory_bytes=budget)
    assert block.dtype == slope.dtype == precision
    assert block.devices() == slope.devices() == {jax.devices("gpu")[0]}
    wanted_block, wanted_slope = reference(name)
    of_block, of_slope = TOLERANCES[precision]
    found = error(block, wanted_block), error(slope, wanted_slope)
    print(f"{name} {precision}: block {found[0]:.1e}, slope {found[1]:.1e}")
    assert found[0] < of_block
    assert found[1] < of_slope


@pytest.mark.parametrize("noise", [1e-1, 1e-3, 0.0])
def test_float32_keeps_its_gradient_beside_a_real_row(noise, cpu):
    kernel, x = named("cnn-mnist"), rows(8, 0)
    z = (x + noise * np.random.default_rng(5).normal(size=x.shape)).astype(np.float32)
    z, C = z.astype(np.float64), cotangent(8, 8)
    with jax.default_device(cpu):
        wanted = in_one_piece(piecewise(kernel), z, x, C)[1]
    found = pullback_of_moving(kernel, *(jnp.asarray(a, jnp.float32) for a in (z, x, C)))
    # Covariances instead of distances would give 4e-3 at noise 1e-3.
    assert error(found, wanted) < 3e-5


@pytest.mark.parametrize("kernel", [RBF(), named("cnn-mnist")], ids=["rbf", "cnn-mnist"])
def test_tf32_does_not_enter_a_low_rank_cotangent(kernel, cpu):
    z, x, random = rows(48, 0), rows(32, 1), np.random.default_rng(7)
    left = random.normal(size=(48, 40)).astype(np.float32)
    right = np.concatenate([left, random.normal(size=(32, 40)).astype(np.float32)])
    exact = left.astype(np.float64) @ right.T.astype(np.float64)
    with jax.default_device(cpu):
        wanted = in_one_piece(kernel, z, x, exact)[1]
    z, x = jnp.asarray(z, jnp.float32), jnp.asarray(x, jnp.float32)
    low = LowRank(jnp.asarray(left), jnp.asarray(right))
    with jax.default_matmul_precision("tensorfloat32"):
        product = low.left @ low.right.T
        found = pullback_of_moving(kernel, z, x, low)
    # The matrix units' float32 is there, and is not what a pull-back uses.
    assert error(product, exact) > 1e-5
    assert error(found, wanted) < 3e-6


@pytest.mark.parametrize("name", ["fnn", "cnn-mnist", "cnn-celeba"])
@pytest.mark.parametrize("megabytes", [64, 512])
def test_memory_stays_within_the_budget(name, megabytes):
    shape = (784,) if name == "fnn" else (32, 32, 1)
    z, x, budget = rows(192, 0, shape), rows(192, 1, shape), megabytes * 2**20
    C = jnp.asarray(cotangent(192, 192), jnp.float32)
    z, x = jnp.asarray(z, jnp.float32), jnp.asarray(x, jnp.float32)
    kernel = named(name)
    block = jax.jit(lambda z, x: gram_of_moving(kernel, z, x, memory_bytes=budget))
    pulled = jax.jit(lambda z, x, C: pullback_of_moving(kernel, z, x, C, memory_bytes=budget))
    # Beside the tile: rows and the block in tiles, before and after.
    besides = 4 * (C.nbytes + 2 * (z.nbytes + x.nbytes))
    for compiled in (block.lower(z, x).compile(), pulled.lower(z, x, C).compile()):
        taken = compiled.memory_analysis().temp_size_in_bytes
        print(f"{name}: {taken / 2**20:.1f} MiB of {megabytes}, besides {besides / 2**20:.1f}")
        assert taken <= budget + besides
