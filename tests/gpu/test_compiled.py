"""The compiled code for GPUs against tiles of XLA: sizes of groups, edges, determinism."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.kernels import gram, gram_of_moving, named, native, pullback, pullback_of_moving
from ganntk.typing import LowRank
from tests.reference.engines import InTiles

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.usefixtures("float64"),
    pytest.mark.skipif(not native.is_available(), reason="built without nvcc"),
]

# A pair is a warp's up to 256 positions of the first map, and then a block's of 128 or 256 threads.
SHAPES = {"cnn-mnist": (28, 28, 1), "cnn-cifar10": (40, 40, 3), "cnn-celeba": (64, 64, 3)}
TOLERANCES = {"float64": 1e-12, "float32": 3e-6}


def rows(count: int, seed: int, shape: tuple[int, ...], dtype: str) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(count, *shape)), dtype)


def cotangent(moving: int, still: int, dtype: str) -> jax.Array:
    random = np.random.default_rng(3).normal(size=(moving, moving + still))
    random[:, :moving] += random[:, :moving].T.copy()
    return jnp.asarray(random, dtype)


def error(found: jax.Array, wanted: jax.Array) -> float:
    found, wanted = (np.asarray(a, np.float64) for a in (found, wanted))
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", SHAPES)
def test_every_size_of_group_agrees_with_tiles(name, dtype):
    kernel = named(name)
    z, x = rows(37, 0, SHAPES[name], dtype), rows(29, 1, SHAPES[name], dtype)
    z = z.at[0].set(x[0]).at[1].set(0)
    assert native.serves(kernel.layers, z)
    C, tiles = cotangent(37, 29, dtype), InTiles(kernel)
    found = gram_of_moving(kernel, z, x), pullback_of_moving(kernel, z, x, C)
    wanted = gram_of_moving(tiles, z, x), pullback_of_moving(tiles, z, x, C)
    errors = [error(*pair) for pair in zip(found, wanted, strict=True)]
    print(f"{name} {dtype}: {errors[0]:.1e} {errors[1]:.1e}")
    assert max(errors) < TOLERANCES[dtype]


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 70), (65, 1), (3, 200)])
def test_any_number_of_rows(first, second):
    kernel = named("cnn-mnist")
    x1, x2 = rows(first, 0, (28, 28, 1), "float32"), rows(second, 1, (28, 28, 1), "float32")
    random = np.random.default_rng(2)
    left, right = (jnp.asarray(random.normal(size=(n, 3)), jnp.float32) for n in (first, second))
    tiles, C = InTiles(kernel), LowRank(left, right)
    assert error(gram(kernel, x1, x2), gram(tiles, x1, x2)) < 1e-6
    assert error(pullback(kernel, x1, x2, C), pullback(tiles, x1, x2, C)) < 1e-5


def test_the_same_bits_every_time():
    kernel, shape = named("cnn-mnist"), (28, 28, 1)
    z, x = rows(100, 0, shape, "float32"), rows(300, 1, shape, "float32")
    C = cotangent(100, 300, "float32")
    once = gram_of_moving(kernel, z, x), pullback_of_moving(kernel, z, x, C)
    again = gram_of_moving(kernel, z, x), pullback_of_moving(kernel, z, x, C)
    for one, other in zip(once, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_maps_that_no_processor_holds_go_through_tiles():
    kernel = named("cnn-celeba")
    large = jnp.zeros((2, 128, 128, 3), jnp.float64)
    assert not native.serves(kernel.layers, large)
    assert gram(kernel, large, large).shape == (2, 2)


def test_a_computation_on_the_cpu_of_this_machine_takes_its_code(cpu):
    kernel = named("cnn-mnist")
    with jax.default_device(cpu):
        x = jax.device_put(rows(3, 0, (28, 28, 1), "float32"), cpu)
        assert gram(kernel, x).devices() == {cpu}
