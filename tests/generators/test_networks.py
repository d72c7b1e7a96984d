"""Generator networks: shapes, ranges, batch normalisation, and codes that know their number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.generators.dense import DenseNetwork
from ganntk.generators.network import Network, codes, generate, start
from ganntk.generators.residual import Residual
from ganntk.generators.transposed import Transposed

pytestmark = pytest.mark.usefixtures("quick_compile")

KEY = jax.random.key(3)
SMALL = Transposed(latent=5, dense=(6,), channels=(8, 4))
CASES = {
    "transposed": (SMALL, (8, 8, 3)),
    "dense": (DenseNetwork(widths=(7,)), (2,)),
    "residual": (Residual(latent=5, channels=(8, 4)), (8, 8, 3)),
}


def test_every_registered_network_has_a_case_here():
    assert set(Network.get_known_choices()) == set(CASES)  # type: ignore[attr-defined]


@pytest.mark.parametrize("case", CASES)
def test_rows_have_the_shape_of_real_ones_and_stay_in_the_range_of_a_pixel(case):
    network, shape = CASES[case]
    z = 30 * codes(network, KEY, 6)
    for is_training in (True, False):
        rows, _ = generate(network, shape, start(network, shape, KEY), z, is_training=is_training)
        assert rows.shape == (6, *shape)
        assert 0 <= rows.min() < rows.max() <= 1


@pytest.mark.parametrize("case", CASES)
def test_weights_are_drawn_from_their_key_in_the_precision_asked_for(case):
    network, shape = CASES[case]
    first, again = (start(network, shape, KEY) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    other = start(network, shape, jax.random.key(4))
    gaps = jax.tree.map(lambda a, b: np.abs(a - b).max(), first.parameters, other.parameters)
    assert max(jax.tree.leaves(gaps)) > 0.1
    with jax.enable_x64(True):
        double = start(network, shape, KEY, jnp.float64)
        rows, statistics = generate(
            network, shape, double, codes(network, KEY, 4), is_training=True
        )
        kinds = {leaf.dtype for leaf in jax.tree.leaves((double, rows, statistics))}
        assert kinds == {jnp.dtype("float64")}


def test_inference_uses_running_statistics_and_a_row_stands_alone():
    weights = start(SMALL, (8, 8, 3), KEY)
    z = codes(SMALL, KEY, 6)
    trained, statistics = generate(SMALL, (8, 8, 3), weights, z, is_training=True)
    assert np.abs(statistics["norm"]["mean"] - weights.statistics["norm"]["mean"]).max() > 0
    whole, same = generate(SMALL, (8, 8, 3), weights._replace(statistics=statistics), z)
    jax.tree.map(np.testing.assert_array_equal, same, statistics)
    part, _ = generate(SMALL, (8, 8, 3), weights._replace(statistics=statistics), z[2:4])
    np.testing.assert_allclose(part, whole[2:4], atol=1e-6)
    assert np.abs(whole - trained).max() > 1e-3
    alone, _ = generate(SMALL, (8, 8, 3), weights, z[2:4], is_training=True)
    assert np.abs(alone - trained[2:4]).max() > 1e-3


def test_training_normalises_by_the_batch():
    # A shift of what a normalised layer gives is taken out again by the batch's own mean.
    weights = start(SMALL, (8, 8, 3), KEY)
    moved = jax.tree.map(jnp.array, weights.parameters)
    moved["dense"][0]["bias"] += 7.0
    z = codes(SMALL, KEY, 6)
    before, _ = generate(SMALL, (8, 8, 3), weights, z, is_training=True)
    after, _ = generate(SMALL, (8, 8, 3), weights._replace(parameters=moved), z, is_training=True)
    np.testing.assert_allclose(after, before, atol=1e-5)


def test_a_code_depends_on_its_number_and_not_on_how_many_there_are():
    many = codes(SMALL, KEY, 9)
    np.testing.assert_array_equal(codes(SMALL, KEY, 3, first=4), many[4:7])
    assert len(np.unique(many)) == many.size


# Counted from the supplement's tables, layer by layer: weights and biases, scales and shifts.
_DIGITS = [65 * 1024 + 2048, 1025 * 6272 + 2 * 6272, 128 * 64 * 16 + 64 + 128, 64 * 16 + 1]
_FIRST = [65 * 1792 + 2 * 1792, 448 * 256 * 16 + 256 + 512, 256 * 128 * 16 + 128]
_COLOURS = [*_FIRST, 128 * 64 * 16 + 64]


@pytest.mark.parametrize(
    ("side", "channels", "parameters"),
    [
        (28, 1, sum(_DIGITS)),
        (32, 3, sum(_COLOURS) + 64 * 3 * 16 + 3),
        (64, 3, sum(_COLOURS) + 64 * 32 * 16 + 32 + 32 * 3 * 16 + 3),
    ],
)
def test_without_arguments_the_networks_are_the_papers(side, channels, parameters):
    shape = (side, side, channels)
    weights = jax.eval_shape(lambda: start(Transposed(), shape, KEY))
    assert sum(leaf.size for leaf in jax.tree.leaves(weights.parameters)) == parameters


def test_a_row_of_the_residual_network_is_the_same_in_training_and_in_any_batch():
    network, shape = CASES["residual"]
    weights, z = start(network, shape, KEY), codes(network, KEY, 6)
    whole, statistics = generate(network, shape, weights, z, is_training=True)
    part, _ = generate(network, shape, weights, z[2:4])
    np.testing.assert_allclose(part, whole[2:4], atol=1e-6)
    assert statistics == {}
    # A shift of what a normalised layer gets is taken out again, image by image.
    moved = jax.tree.map(jnp.array, weights.parameters)
    moved["blocks"][0]["first"]["bias"] += 7.0
    shifted, _ = generate(network, shape, weights._replace(parameters=moved), z)
    assert np.abs(shifted - whole).max() < 0.2


def test_what_a_network_cannot_make_is_refused():
    def build(network, shape):
        start(network, shape, KEY)

    with pytest.raises(InputError, match=r"images of 20 pixels, only for 28, 32, 64, 128"):
        build(Transposed(), (20, 20, 1))
    with pytest.raises(InputError, match="square images"):
        build(Transposed(), (28, 20, 1))
    with pytest.raises(InputError, match="makes no 10 pixels: give fewer"):
        build(Transposed(channels=(8, 8)), (10, 10, 1))
    with pytest.raises(InputError, match=r"network\.latent is 0"):
        Transposed(latent=0)
    with pytest.raises(InputError, match=r"network\.width is -1"):
        Transposed(width=-1)
    with pytest.raises(InputError, match="expected positive widths"):
        Transposed(channels=(8, 0))
    with pytest.raises(InputError, match="2 blocks double the side, which makes no 6 pixels"):
        build(Residual(channels=(4, 4, 4)), (6, 6, 1))
    with pytest.raises(InputError, match="at least two positive widths"):
        Residual(channels=(4,))
    with pytest.raises(InputError, match="expected at least 1"):
        DenseNetwork(widths=(0,))
