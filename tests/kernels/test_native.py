"""The compiled code: every architecture against XLA's operations, edges, threads, memory."""

import re
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.kernels import (
    ARCHITECTURES,
    RBF,
    Conv,
    Dense,
    Erf,
    Flatten,
    Named,
    Network,
    Relu,
    gram,
    gram_of_moving,
    named,
    native,
    pullback,
    pullback_of_moving,
)
from ganntk.kernels.arcs import _coefficients
from ganntk.kernels.native import calls
from ganntk.kernels.native.program import compile_program
from ganntk.typing import LowRank
from tests.reference.engines import InTiles
from tests.structure.sources import ROOT

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

needs_library = pytest.mark.skipif(
    not native.is_available(), reason="built without a C compiler: the compiled code is not there"
)


def images(count: int, shape: tuple[int, ...], *, dtype=np.float64, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).uniform(size=(count, *shape)), dtype)


def matrix(count1: int, count2: int, *, dtype=np.float64) -> jax.Array:
    return jnp.asarray(np.random.default_rng(3).normal(size=(count1, count2)), dtype)


def shape_for(name: str) -> tuple[int, int, int]:
    return (2, 3, 1) if name.startswith("fnn") else (5, 6, 2)


def assert_close(found, wanted, tolerance: float) -> None:
    """Equal to a tolerance relative to the largest entry."""
    scale = float(jnp.max(jnp.abs(wanted)))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * scale)


def test_the_library_is_built_where_there_is_a_compiler():
    assert native.is_available() or not (shutil.which("cc") or shutil.which("gcc"))


def test_the_coefficients_in_c_are_those_of_arcs():
    text = (ROOT / "ganntk/kernels/native/arcs.h").read_text(encoding="utf-8")
    for itemsize, suffix in ((4, "f32"), (8, "f64")):
        for name, wanted in zip(("ARCSINE", "SINE_GAP"), _coefficients(itemsize), strict=True):
            body = re.search(rf"{name}_{suffix}\[\] = {{(.*?)}}", text, re.DOTALL)
            assert body is not None
            found = [float(word.rstrip("f")) for word in re.findall(r"-?\d+\.[\d.e+-]+f?", body[1])]
            np.testing.assert_allclose(found, wanted, rtol=1e-15)


@needs_library
@pytest.mark.parametrize(
    ("name", "dtype", "tolerance"),
    [
        ("fnn", np.float64, 1e-13),
        ("cnn-mnist", np.float64, 1e-13),
        ("cnn-4", np.float64, 1e-13),
        # Both sum some hundred terms, in another order, and neither is nearer the truth.
        ("cnn-mnist", np.float32, 2e-6),
    ],
)
def test_an_architecture_is_that_of_xla_operations(name, dtype, tolerance):
    k, shape = named(name), shape_for(name)
    x1, x2, C = (
        images(11, shape, dtype=dtype),
        images(6, shape, dtype=dtype, seed=1),
        matrix(11, 6, dtype=dtype),
    )
    x2 = x2.at[0].set(x1[2])  # two rows coincide
    assert_close(gram(k, x1, x2), gram(InTiles(k), x1, x2), tolerance)
    assert_close(pullback(k, x1, x2, C), pullback(InTiles(k), x1, x2, C), tolerance)


@needs_library
@pytest.mark.parametrize("name", [name for name in ARCHITECTURES if name != "fnn-erf"])
def test_an_architecture_is_served(name):
    assert native.serves(named(name).layers, images(2, shape_for(name)))


@needs_library
@pytest.mark.parametrize(
    "layers",
    [
        (Conv((3, 2), (2, 3), "VALID"), Relu(), Flatten(), Relu(), Dense()),
        (Conv((5, 1), (1, 1), "SAME"), Conv((2, 2), (3, 3), "SAME"), Relu(), Flatten()),
        (Dense(), Relu(), Conv((7, 7), (2, 2), "SAME"), Relu(), Flatten(), Dense(2.0, 0.0)),
        (Flatten(), Dense(1.0, 0.0), Relu(), Dense(0.5, 3.0)),
        (Conv((1, 1), (3, 3), "SAME"), Flatten()),
    ],
)
def test_any_stack_of_its_layers_is_that_of_xla_operations(layers):
    k, x1, x2, C = Network(layers), images(9, (6, 5, 3)), images(4, (6, 5, 3), seed=1), matrix(9, 4)
    assert native.serves(layers, x1)
    assert_close(gram(k, x1, x2), gram(InTiles(k), x1, x2), 1e-13)
    assert_close(pullback(k, x1, x2, C), pullback(InTiles(k), x1, x2, C), 1e-13)


@needs_library
@pytest.mark.parametrize("shape", [(3,), (4, 3), (4, 3, 2)])
def test_rows_of_any_shape_are_served(shape):
    k, x = named("fnn"), images(5, shape)
    assert native.serves(k.layers, x)
    assert_close(gram(k, x), gram(InTiles(k), x), 1e-13)


@needs_library
def test_a_configured_name_is_served_and_other_kernels_are_not():
    x = images(3, (4, 4, 1))
    np.testing.assert_array_equal(gram(Named("cnn-small"), x), gram(named("cnn-small"), x))
    assert not native.serves(named("fnn-erf").layers, x)
    assert not native.serves((Relu(), Flatten()), x)
    assert not native.serves((Conv(), Erf(), Flatten()), x)
    assert not native.serves(named("fnn").layers, x.astype(jnp.bfloat16))
    assert compile_program((Conv(), Relu()), (4, 4, 1)) is None
    assert compile_program((Flatten(), *[Dense()] * 256), (4,)) is None
    assert gram(RBF(), x).shape == (3, 3)


@needs_library
@pytest.mark.parametrize(("moving", "still"), [(11, 4), (1, 0), (3, 9)])
def test_moving_rows_are_those_of_tiles(moving, still):
    k = named("cnn-small")
    z, x = images(moving, (6, 5, 2)), images(still, (6, 5, 2), seed=1)
    among = matrix(moving, moving)
    C = jnp.concatenate([among + among.T, matrix(moving, still)], axis=1)
    found, wanted = gram_of_moving(k, z, x), gram_of_moving(InTiles(k), z, x)
    assert_close(found, wanted, 1e-13)
    np.testing.assert_array_equal(found[:, :moving], found[:, :moving].T)
    pulled, expected = (pullback_of_moving(each, z, x, C) for each in (k, InTiles(k)))
    assert_close(pulled, expected, 1e-12)


@needs_library
def test_a_low_rank_cotangent_is_the_matrix_it_stands_for():
    k, z, x = named("cnn-small"), images(11, (6, 5, 2)), images(4, (6, 5, 2), seed=1)
    side = matrix(11, 3)
    low = LowRank(side, jnp.concatenate([side, matrix(4, 3)]))
    found = pullback_of_moving(k, z, x, low)
    assert_close(found, pullback_of_moving(k, z, x, low.left @ low.right.T), 1e-13)


@needs_library
def test_a_row_does_not_see_which_rows_are_beside_it():
    k, z, x = named("cnn-small"), images(13, (6, 5, 2)), images(6, (6, 5, 2), seed=1)
    C = matrix(13, 6)
    block, pulled = gram(k, z, x), pullback(k, z, x, C)
    for part in (slice(0, 5), slice(5, 13), slice(12, 13)):
        np.testing.assert_array_equal(gram(k, z[part], x), block[part])
        np.testing.assert_array_equal(pullback(k, z[part], x, C[part]), pulled[part])


@needs_library
def test_black_images_have_finite_derivatives():
    k = named("cnn-mnist", bias_variance=0.0)
    x = images(4, (8, 8, 1)).at[:2].set(0.0).at[2, :4].set(0.0)
    C = matrix(4, 4)
    found, wanted = (pullback(each, x, x, C) for each in (k, InTiles(k)))
    assert bool(jnp.all(jnp.isfinite(found)))
    assert_close(found, wanted, 1e-13)


@needs_library
def test_a_nan_stays_a_nan():
    k, x = named("cnn-small"), images(3, (4, 4, 1)).at[1, 2, 2, 0].set(jnp.nan)
    found = gram(k, x, images(2, (4, 4, 1), seed=1))
    np.testing.assert_array_equal(jnp.isnan(found).any(axis=1), [False, True, False])
    assert bool(jnp.isnan(pullback(k, x, x, matrix(3, 3))).any())


@needs_library
def test_rows_that_do_not_fit_are_refused_before_the_compiled_code():
    with pytest.raises(InputError, match="one shape and one type"):
        gram(named("fnn"), images(2, (3,)), images(2, (4,)))


def test_a_package_without_the_library_still_has_its_kernels(tmp_path, monkeypatch):
    monkeypatch.setattr("ganntk.kernels.native.calls.LIBRARY", Path(tmp_path / "none.so"))
    calls._on_cpu.cache_clear()
    try:
        x = images(3, (4, 4, 1))
        assert not native.serves(named("cnn-small").layers, x)
        assert gram(named("cnn-small"), x).shape == (3, 3)
    finally:
        calls._on_cpu.cache_clear()
