"""Stacks of layers: against neural-tangents, and the places where its formulas break."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.kernels import (
    ARCHITECTURES,
    Conv,
    Dense,
    Erf,
    Flatten,
    LeakyRelu,
    Network,
    Relu,
    named,
)
from tests.reference.piecewise import piecewise
from tests.reference.twins import block_and_pullback, stax_twin

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")


def shape_for(name: str) -> tuple[int, int, int]:
    """Sizes that halve to odd and to even numbers; few numbers where many would only cost time."""
    if name.startswith("fnn"):
        return (2, 3, 1)
    return (5, 6, 1 if name in ("cnn-4", "cnn-16") else 2)


def images(count: int, shape: tuple[int, ...], *, scale: float = 1.0, seed: int = 0) -> jax.Array:
    return scale * jnp.asarray(np.random.default_rng(seed).normal(size=(count, *shape)))


def assert_equal_relative(found: jax.Array, wanted: jax.Array, tolerance: float) -> None:
    """Equal to a tolerance relative to the largest entry."""
    np.testing.assert_allclose(
        found, wanted, rtol=0, atol=tolerance * float(jnp.max(jnp.abs(wanted)))
    )


def assert_equals_twin(ours: Network, network: Network, x1: jax.Array, x2: jax.Array) -> None:
    """K and both pull-backs of `ours` are those of the stax twin of `network`, to 1e-10."""
    cotangent = images(len(x1), (len(x2),), seed=7)
    twin = functools.partial(block_and_pullback, stax_twin(network))
    # Convolutions compile faster in one piece, deep dense stacks faster operation by operation.
    is_dense = isinstance(network.layers[0], Flatten)
    wanted = (twin if is_dense else jax.jit(twin))(x1, x2, cotangent)
    found = block_and_pullback(ours, x1, x2, cotangent)
    for one, other in zip(found, wanted, strict=True):
        assert_equal_relative(one, other, 1e-10)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_named_architecture_is_that_of_neural_tangents(name):
    network = named(name)
    shape = shape_for(name)
    # Sixteen layers shrink angles until arccos, which neural-tangents takes, has lost eight
    # digits of the gradient; far from the biases they stay large.
    scale = 300 if name == "cnn-16" else 1
    x1, x2 = images(3, shape, scale=scale, seed=1), images(3, shape, scale=scale, seed=2)
    assert_equals_twin(piecewise(network), network, x1, x2)


def test_a_network_compiled_whole_is_the_network_compiled_by_layers():
    network = named("cnn-mnist")
    x1, x2, cotangent = images(3, (5, 6, 2), seed=1), images(3, (5, 6, 2), seed=2), images(3, (3,))
    whole = jax.jit(functools.partial(block_and_pullback, network))(x1, x2, cotangent)
    pieces = block_and_pullback(piecewise(network), x1, x2, cotangent)
    for one, other in zip(whole, pieces, strict=True):
        assert_equal_relative(one, other, 1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_named_architecture_compiled_whole_is_that_of_neural_tangents(name):
    network = named(name)
    scale = 300 if name == "cnn-16" else 1
    x1 = images(4, (9, 10, 2), scale=scale, seed=1)
    x2 = images(3, (9, 10, 2), scale=scale, seed=2)
    cotangent = images(4, (3,), seed=7)
    found, wanted = (
        jax.jit(functools.partial(block_and_pullback, kernel))(x1, x2, cotangent)
        for kernel in (network, stax_twin(network))
    )
    for one, other in zip(found, wanted, strict=True):
        assert_equal_relative(one, other, 1e-10)


def test_other_windows_and_variances_are_those_of_neural_tangents():
    network = Network(
        (
            Conv((3, 2), (1, 2), "VALID", 1.7, 0.3),
            Erf(),
            Dense(0.9, 0.2),
            Conv((1, 3), (2, 1), "SAME", 0.8, 0.0),
            Relu(),
            Flatten(),
            Dense(1.3, 0.05),
        )
    )
    x1, x2 = images(3, (5, 6, 2), seed=3), images(3, (5, 6, 2), seed=4)
    assert_equals_twin(piecewise(network), network, x1, x2)


def test_leaky_relus_are_those_of_neural_tangents():
    layers = (Conv((2, 2), (1, 2)), LeakyRelu(0.3), Flatten(), Dense(), LeakyRelu(), Dense())
    x1, x2 = images(3, (3, 4, 2), seed=3), images(3, (3, 4, 2), seed=4)
    assert_equals_twin(piecewise(Network(layers)), Network(layers), x1, x2)


def test_a_leaky_relu_lies_between_a_relu_and_none():
    x1, x2 = images(3, (2, 2, 2), seed=3), images(3, (2, 2, 2), seed=4)
    bent = [Network((Flatten(), Dense(), layer, Dense())) for layer in (LeakyRelu(0), Relu())]
    np.testing.assert_allclose(bent[0](x1, x2), bent[1](x1, x2), rtol=1e-14)
    straight = Network((Flatten(), Dense(), LeakyRelu(1), Dense()))
    plain = Network((Flatten(), Dense(), Dense()))
    np.testing.assert_allclose(straight(x1, x2), plain(x1, x2), rtol=1e-14)
    with pytest.raises(InputError, match=r"slope 1.5: expected 0 to 1"):
        LeakyRelu(1.5)


def test_a_dense_layer_on_pixels_is_a_convolution_with_one_pixel():
    x1, x2 = images(3, (2, 2, 2), seed=3), images(3, (2, 2, 2), seed=4)
    dense, convolution = (
        Network((layer, Relu(), Flatten(), Dense())) for layer in (Dense(), Conv((1, 1), (1, 1)))
    )
    np.testing.assert_allclose(jax.jit(dense)(x1, x2), jax.jit(convolution)(x1, x2), rtol=1e-14)


def test_the_kernel_of_coincident_rows_is_that_of_neural_tangents():
    network = named("cnn-mnist")
    x, cotangent = images(3, (5, 6, 2)), images(3, (3,), seed=5)
    twin = jax.jit(functools.partial(block_and_pullback, stax_twin(network)))
    found = block_and_pullback(piecewise(network), x, x, cotangent)
    for one, other in zip(found, twin(x, x, cotangent), strict=True):
        # neural-tangents reaches the angle zero through arccos, where rounding makes it 1e-8.
        assert_equal_relative(one, other, 1e-7)


@pytest.mark.parametrize("name", ["fnn-16", "fnn-erf", "cnn-mnist"])
def test_the_analytic_diagonal_is_the_diagonal_of_the_block(name):
    network = piecewise(named(name))
    x = images(3, shape_for(name))
    np.testing.assert_allclose(network.diagonal(x), jnp.diag(network(x, x)), rtol=1e-13)


def test_a_hidden_layer_without_bias_gives_the_two_arc_cosine_kernels():
    # Unit rows at angle t: k = 2 kappa_1 + 2 cos(t) kappa_0 (Cho and Saul 2009) at variance 2.
    t = 0.7
    rows = np.sqrt(2) * jnp.asarray([[1.0, 0.0], [np.cos(t), np.sin(t)]])
    kappa0, kappa1 = (np.pi - t) / np.pi, (np.sin(t) + (np.pi - t) * np.cos(t)) / np.pi
    network = Network((Flatten(), Dense(2.0, 0.0), Relu(), Dense(2.0, 0.0)))
    wanted = 2 * kappa1 + 2 * np.cos(t) * kappa0
    assert float(jax.jit(network)(rows[:1], rows[1:])[0, 0]) == pytest.approx(wanted, rel=1e-14)


def test_rows_of_zeros_give_numbers_without_bias():
    network = Network((Conv((1, 1), (1, 1), "SAME", 1.0, 0.0), Relu(), Flatten(), Dense(1.0, 0.0)))
    # The first image is zero, the second zero in half of its patches, the third nowhere.
    x = images(3, (2, 2, 1)).at[0].set(0).at[1, :1].set(0)
    block, d1, d2 = jax.jit(functools.partial(block_and_pullback, network))(x, x, jnp.ones((3, 3)))
    for each in (block, d1, d2):
        assert np.all(np.isfinite(each))
    assert not np.any(block[0])
    assert not np.any(block[:, 0])
    np.testing.assert_allclose(network.diagonal(x), jnp.diag(block), rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("cnn", "cnn-celeba"), ("cnn-medium", "cnn-celeba"), ("cnn-big", "cnn-imagenet")],
)
def test_an_alias_is_the_architecture_it_stands_for(name, architecture):
    assert named(name) == named(architecture)


def test_variances_reach_every_layer():
    network = named("cnn-mnist", weight_variance=2.5, bias_variance=0.25)
    weighted = [layer for layer in network.layers if isinstance(layer, Dense | Conv)]
    assert len(weighted) == 4
    assert {(each.weight_variance, each.bias_variance) for each in weighted} == {(2.5, 0.25)}


def test_the_default_variances_are_those_of_the_reference_code():
    assert {(layer.weight_variance, layer.bias_variance) for layer in (Dense(), Conv())} == {
        (1.4615, 0.1)
    }


def test_an_unknown_architecture_is_refused_with_the_nearest_names():
    with pytest.raises(InputError, match="unknown kernel 'cnn-mist': did you mean cnn-mnist"):
        named("cnn-mist")


@pytest.mark.parametrize("variances", [(0.0, 0.1), (-1.0, 0.1), (1.0, -0.1), (float("nan"), 0.1)])
def test_variances_that_are_none_are_refused(variances):
    weight, bias = variances
    with pytest.raises(InputError, match="expected a positive and a non-negative number"):
        named("fnn", weight_variance=weight, bias_variance=bias)


def test_a_network_without_flatten_is_refused():
    with pytest.raises(InputError, match="put a flatten layer before the readout"):
        Network((Conv(), Relu(), Dense()))
