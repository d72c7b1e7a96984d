"""Average pooling in networks: against neural-tangents, and where distances would cancel."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.kernels import (
    AvgPool,
    Conv,
    Dense,
    Erf,
    Flatten,
    GlobalAvgPool,
    Layer,
    LeakyRelu,
    Network,
    Relu,
    gram,
    pullback,
)
from tests.reference.twins import block_and_pullback, stax_twin

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

SHAPE = (4, 5, 2)
CONV = Conv((2, 2), (1, 1), "SAME", 1.7, 0.3)
READOUT = Dense(1.3, 0.05)
NETWORKS: dict[str, tuple[Layer, ...]] = {
    "first": (AvgPool(), CONV, Relu(), Flatten(), READOUT),
    "first, padded, and last": (
        AvgPool((3, 2), (2, 1), "SAME"),
        CONV,
        Erf(),
        GlobalAvgPool(),
        READOUT,
    ),
    "the whole image first": (GlobalAvgPool(), Dense(), Relu(), READOUT),
    "between, overlapping": (
        *(CONV, Relu(), AvgPool((3, 2), (2, 1), "SAME")),
        *(Conv((2, 1), (1, 1), "VALID"), Relu(), Flatten(), READOUT),
    ),
    "with gaps": (
        Conv((2, 3), (2, 1), "VALID"),
        Erf(),
        AvgPool((1, 1), (1, 2)),
        Flatten(),
        READOUT,
    ),
    "last": (Conv((3, 2), (2, 1)), Relu(), GlobalAvgPool(), READOUT),
    "last, before hidden layers": (CONV, Relu(), GlobalAvgPool(), Dense(), Erf(), READOUT),
    "twice": (
        *(CONV, Erf(), AvgPool((2, 2), (1, 2), "SAME")),
        *(Conv((3, 2), (1, 1)), Relu(), AvgPool((2, 1), (1, 1)), GlobalAvgPool(), READOUT),
    ),
    "without a nonlinearity between": (
        Dense(),
        AvgPool((2, 2), (2, 1)),
        CONV,
        LeakyRelu(),
        Flatten(),
        READOUT,
    ),
}
# What takes longest to compile waits for `make test-slow`.
SLOW = ("twice", "between, overlapping", "last, before hidden layers")


def slow_marked(names) -> list:
    """The names, with those of dear networks marked slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in names]


def images(count: int, *, seed: int, shape: tuple[int, ...] = SHAPE) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=(count, *shape)))


def with_flat_parts() -> jax.Array:
    """Images with black parts and even parts; one is black, one even everywhere."""
    x = images(4, seed=3)
    return x.at[0, :3].set(0).at[1, :, 1:].set(0.5).at[2].set(0).at[3].set(0.25)


@functools.cache
def compiled(network: Network, *, is_twin: bool = False):
    """Block and pull-backs; tests of one network with rows of one shape share a compilation."""
    kernel = stax_twin(network) if is_twin else network
    return jax.jit(functools.partial(block_and_pullback, kernel))


def assert_equals_twin(network: Network, *arguments: jax.Array, tolerance: float) -> None:
    found, wanted = (compiled(network, is_twin=twin)(*arguments) for twin in (False, True))
    for one, other in zip(found, wanted, strict=True):
        largest = float(jnp.max(jnp.abs(other)))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * largest)


@pytest.mark.parametrize("name", slow_marked(NETWORKS))
def test_a_network_that_pools_is_that_of_neural_tangents(name):
    x1, x2, C = images(4, seed=1), images(4, seed=2), images(4, seed=7, shape=(4,))
    assert_equals_twin(Network(NETWORKS[name]), x1, x2, C, tolerance=1e-10)


@pytest.mark.parametrize(
    "name", slow_marked(["last", "last, before hidden layers", "between, overlapping"])
)
def test_images_with_flat_parts_have_the_derivatives_of_neural_tangents(name):
    z, C = (
        with_flat_parts().at[3, :2, :2].set(images(2, seed=5, shape=(2, 2))[0]),
        images(4, seed=7, shape=(4,)),
    )
    # neural-tangents reaches the angle zero through arccos, where rounding makes it 1e-8.
    assert_equals_twin(Network(NETWORKS[name]), z, with_flat_parts(), C, tolerance=1e-7)


@pytest.mark.parametrize("name", slow_marked(["first", "last", "between, overlapping"]))
def test_the_diagonal_is_that_of_the_block(name):
    network, x = Network(NETWORKS[name]), images(4, seed=1)
    block, *_ = compiled(network)(x, x, jnp.ones((4, 4)))
    np.testing.assert_allclose(jax.jit(network.diagonal)(x), jnp.diag(block), rtol=1e-13)


@pytest.mark.parametrize(
    "name", slow_marked(["last", "last, before hidden layers", "between, overlapping"])
)
def test_at_coincidence_each_argument_has_half_the_gradient_of_the_diagonal(name):
    network, x, weights = Network(NETWORKS[name]), with_flat_parts(), images(4, seed=7, shape=())
    half = jax.jit(jax.grad(lambda x: jnp.sum(weights * network.diagonal(x)) / 2))(x)
    _, d1, d2 = compiled(network)(x, x, jnp.diag(weights))
    np.testing.assert_allclose(d1, half, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(d2, half, rtol=1e-12, atol=1e-14)


def test_tiles_are_the_block():
    network, x1, x2 = (
        Network(NETWORKS["last, before hidden layers"]),
        images(5, seed=1),
        images(3, seed=2),
    )
    C, tiles = images(5, seed=7, shape=(3,)), {"memory_bytes": 4 * network.bytes_per_pair(SHAPE, 8)}
    block, d1, _ = compiled(network)(x1, x2, C)
    np.testing.assert_allclose(gram(network, x1, x2, **tiles), block, rtol=1e-13)
    np.testing.assert_allclose(pullback(network, x1, x2, C, **tiles), d1, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("noise", "tolerance"), [(1e-1, 1e-6), (1e-3, 1e-4)])
def test_float32_keeps_its_gradient_beside_a_real_row(noise, tolerance):
    # The pooled images stand at an angle, and their distance is noise^2 of what is pooled. A ReLU
    # without the series of ganntk.kernels.twist is wrong by 5e-4 at a noise of 1e-3.
    network = Network((Conv((3, 3), (1, 1)), Relu(), GlobalAvgPool(), Dense(), Relu(), Dense()))
    rng = np.random.default_rng(0)
    real = rng.uniform(size=(4, 4, 5, 1)).astype(np.float32)
    points = real + (noise * rng.normal(size=real.shape)).astype(np.float32)
    arguments = points, real, rng.normal(size=(4, 4)).astype(np.float32)
    single, double = (
        compiled(network)(*(jnp.asarray(x, dtype) for x in arguments))[1]
        for dtype in (jnp.float32, jnp.float64)
    )
    assert single.dtype == jnp.float32
    assert float(jnp.linalg.norm(single - double) / jnp.linalg.norm(double)) < tolerance


def test_equal_windows_of_one_image_are_at_no_angle():
    # Two columns that repeat: their windows hold the same numbers, which differ inside of a window.
    column = images(1, seed=4, shape=(4, 2, 1))
    x = jnp.concatenate([column, column, images(1, seed=5, shape=(4, 2, 1))], axis=2)
    network = Network((Dense(), Relu(), AvgPool(), CONV, Relu(), GlobalAvgPool(), READOUT))
    assert_equals_twin(
        network, x, images(2, seed=2, shape=(4, 6, 1)), jnp.ones((1, 2)), tolerance=1e-7
    )


def test_memory_grows_with_the_square_of_the_number_of_positions():
    network = Network((Conv((3, 3), (1, 1)), Relu(), GlobalAvgPool(), Dense()))
    small, large = (network.bytes_per_pair((size, size, 1), 4) for size in (8, 16))
    assert large == pytest.approx(16 * small, rel=1e-3)


def test_pooling_pixels_needs_no_pairs_of_positions():
    pooled = Network((AvgPool(), CONV, Relu(), Flatten(), READOUT))
    assert pooled.bytes_per_pair((16, 16, 1), 4) == Network(pooled.layers[1:]).bytes_per_pair(
        (8, 8, 1), 4
    )


@pytest.mark.parametrize("last", [AvgPool(), GlobalAvgPool()])
def test_pooling_where_no_positions_are_left_is_refused(last):
    with pytest.raises(InputError, match="leaves no positions to average"):
        Network((CONV, Relu(), Flatten(), last, Dense()))


@pytest.mark.parametrize("layers", [(GlobalAvgPool(), Dense()), (Dense(), GlobalAvgPool())])
def test_rows_that_are_no_images_are_refused(layers):
    with pytest.raises(InputError, match="expected images"):
        Network(layers)(jnp.ones((2, 3)), jnp.ones((2, 3)))


def test_a_pooling_layer_by_itself_is_refused():
    network = Network((CONV, GlobalAvgPool()))
    v = CONV.input_variance(images(2, seed=1))
    with pytest.raises(InputError, match="evaluate it inside a Network"):
        network.layers[1].variance(v)
