import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganntk.errors import InputError
from ganntk.metrics import nearest


def random_rows(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def all_distances(generated: np.ndarray, real: np.ndarray) -> np.ndarray:
    gaps = generated.astype(np.float64)[:, None] - real.astype(np.float64)
    return np.sqrt((gaps**2).sum(axis=tuple(range(2, gaps.ndim))))


@given(
    seed=st.integers(0, 1000),
    generated=st.integers(1, 20),
    real=st.integers(1, 20),
    memory_bytes=st.integers(1, 10_000),
)
def test_blocks_of_any_size_find_the_nearest_row(seed, generated, real, memory_bytes):
    z, x = random_rows(seed, generated, 3, 3, 1), random_rows(seed + 1, real, 3, 3, 1)
    found = nearest(z, x, memory_bytes=memory_bytes)
    distances = all_distances(z, x)
    np.testing.assert_array_equal(found.index, distances.argmin(axis=1))
    # Both sides are float64 sums of nine squares.
    np.testing.assert_allclose(found.distance, distances.min(axis=1), rtol=1e-14)


def test_a_copied_row_is_at_distance_zero():
    real = random_rows(0, 50, 28, 28, 1)
    order = np.random.default_rng(1).permutation(50)
    found = nearest(real[order], real, memory_bytes=300_000)
    np.testing.assert_array_equal(found.index, order)
    assert (found.distance == 0).all()


def test_a_tiny_distance_is_exact():
    real = random_rows(0, 10, 28, 28, 1)
    generated = real.astype(np.float64)
    generated[:, 0, 0, 0] += 1e-9
    found = nearest(generated, real)
    expected = generated[:, 0, 0, 0] - real[:, 0, 0, 0].astype(np.float64)
    np.testing.assert_allclose(found.distance, expected, rtol=1e-12)


def test_points_of_a_mixture_are_rows_too():
    found = nearest(np.array([[0.0, 0.9], [0.2, 0.0]]), np.array([[0.0, 0.0], [0.0, 1.0]]))
    assert found.index.tolist() == [1, 0]
    assert found.distance == pytest.approx([0.1, 0.2])


def test_no_generated_rows_have_no_neighbours():
    found = nearest(np.zeros((0, 2)), np.zeros((3, 2)))
    assert (found.index.shape, found.distance.shape) == ((0,), (0,))


@pytest.mark.parametrize(
    ("generated", "real"),
    [((3, 2), (3, 3)), ((3, 4, 4, 1), (3, 4, 4, 3)), ((3, 2), (0, 2)), ((3,), (3,))],
)
def test_rows_that_cannot_be_compared_are_refused(generated, real):
    with pytest.raises(InputError, match="cannot be compared"):
        nearest(np.zeros(generated), np.zeros(real))
