"""The code of GPUs, by a group of one thread on this CPU, against the code of CPUs."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ganntk.kernels import ARCHITECTURES, Conv, Dense, Flatten, Relu, named, native
from ganntk.kernels.native import calls, engine
from ganntk.kernels.native.program import as_text, compile_program
from tests.structure.sources import ROOT

pytestmark = [
    pytest.mark.usefixtures("float64", "quick_compile"),
    pytest.mark.skipif(
        shutil.which("g++") is None or not native.is_available(), reason="needs gcc and g++"
    ),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> ctypes.CDLL:
    made = tmp_path_factory.mktemp("cuda") / "cuda_on_a_cpu.so"
    source = Path(__file__).with_name("cuda_on_a_cpu.cpp")
    command = ["g++", "-O1", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsanitize=bounds"]
    command += ["-fPIC", "-shared", f"-I{ROOT / 'ganntk/kernels/native'}", "-o", str(made)]
    subprocess.run([*command, str(source)], check=True, capture_output=True)
    return ctypes.CDLL(str(made))


def address(array: np.ndarray | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def by_group(library, layers, x1, x2, bars):
    """Distances, and cotangents of pixels and of statistics."""
    program = compile_program(layers, x1.shape[1:])
    assert program is not None
    stats = [np.asarray(engine._stats(engine._variances(layers, x)), x.dtype) for x in (x1, x2)]
    given = [
        np.ascontiguousarray(np.pad(s.swapaxes(1, 2), [(0, 0), (0, 0), (0, 1)])) for s in stats
    ]
    x1, x2 = (np.ascontiguousarray(x) for x in (x1, x2))
    shapes = (len(x1), len(x2)), x1.shape, (len(x1), 2, program.positions)
    found = [np.full(shape, np.nan, x1.dtype) for shape in shapes]
    call = library.all_f32 if x1.dtype == np.float32 else library.all_f64
    rows = [address(x1), address(given[0]), ctypes.c_int64(len(x1))]
    rows += [address(x2), address(given[1]), ctypes.c_int64(len(x2))]
    assert call(as_text(program).encode(), *rows, address(bars), *map(address, found)) == 0
    return program, stats, found


NETWORKS = {name: named(name).layers for name in sorted(ARCHITECTURES) if "erf" not in name}
_PLAIN = Conv((3, 3), (1, 1))
NETWORKS["stride 1"] = (_PLAIN, Relu(), _PLAIN, Relu(), Flatten(), Dense())
NETWORKS["valid"] = (Conv((2, 3), (1, 2), "VALID"), Relu(), Conv(), Flatten(), Dense())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_group_of_threads_computes_what_vectors_compute(library, name, dtype):
    layers = NETWORKS[name]
    if not native.serves(layers, jnp.zeros((1, 9, 7, 3))):
        pytest.skip("not among the networks of compiled code")
    random = np.random.default_rng(0)
    x1, x2 = (random.uniform(size=(rows, 9, 7, 3)).astype(dtype) for rows in (5, 6))
    x2[0] = x1[0]  # where the angle is zero
    x1[1] = 0  # and where it has no meaning
    bars = random.normal(size=(5, 6)).astype(dtype)
    program, stats, found = by_group(library, layers, x1, x2, bars)
    rows = [jnp.asarray(a) for a in (x1, stats[0], x2, stats[1])]
    wanted = [
        calls.distances(program, *rows, is_symmetric=False),
        *calls.pull_back(program, *rows, jnp.asarray(bars), None),
    ]
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    for ours, theirs in zip(found, jax.tree.map(np.asarray, wanted), strict=True):
        assert np.all(np.isfinite(ours))
        assert np.max(np.abs(ours - theirs)) <= tolerance * np.max(np.abs(theirs))


def test_without_cotangents_the_distances_are_the_same(library):
    layers = named("cnn-small").layers
    random = np.random.default_rng(1)
    x1, x2 = (random.uniform(size=(rows, 8, 8, 1)) for rows in (3, 4))
    bars = np.zeros((3, 4))
    kept = by_group(library, layers, x1, x2, bars)[2][0]
    np.testing.assert_array_equal(by_group(library, layers, x1, x2, None)[2][0], kept)
