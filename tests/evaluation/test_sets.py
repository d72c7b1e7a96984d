"""What an evaluation compares: no row in two places, as many as there are."""

import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.evaluation import choose


def rows(seed: int, count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *(shape or (6, 6, 1)))).astype(np.float32)


def keys(array: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in array}


def test_no_row_of_the_reference_is_a_training_row_or_held_out():
    training, real = rows(0, 10), rows(1, 100)
    found = choose(rows(2, 8), training, np.concatenate([training, real]), None, noise=0.1, seed=0)
    held, yardstick = found.compared["held-out"], found.yardstick
    parts = [keys(part) for part in (found.reference, held, yardstick, training)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert keys(found.reference) | keys(held) | keys(yardstick) <= keys(real)


def test_held_out_rows_that_are_anywhere_else_are_left_out():
    training, real, fresh = rows(0, 10), rows(1, 50), rows(3, 30)
    given = np.concatenate([training[:3], real[:4], fresh])
    found = choose(rows(2, 15), training, real, given, noise=0.1, seed=0)
    assert len(found.reference) == 50
    assert keys(found.compared["held-out"]) | keys(found.yardstick) == keys(fresh)


def test_baselines_have_as_many_rows_as_were_generated():
    found = choose(rows(2, 8), rows(0, 10), rows(1, 100), rows(3, 60), noise=0.1, seed=0)
    assert [len(part) for part in found.compared.values()] == [8, 8, 8, 8]
    assert list(found.compared) == ["generated", "training", "held-out", "training, noise 0.1"]
    assert len(found.yardstick) == 8


def test_noise_has_its_deviation_and_stays_in_the_range():
    training = np.full((50, 20, 20, 1), 0.5, np.float32)
    found = choose(
        rows(2, 50, 20, 20, 1), training, rows(1, 300, 20, 20, 1), None, noise=0.1, seed=0
    )
    noisy = found.compared["training, noise 0.1"]
    # 20,000 draws know a deviation to half a per cent.
    assert (noisy - 0.5).std() == pytest.approx(0.1, rel=0.02)
    assert noisy.dtype == np.float32
    assert noisy.min() >= 0
    assert noisy.max() <= 1


def test_the_seed_decides_what_is_set_aside():
    given = (rows(2, 8), rows(0, 10), rows(1, 100), None)
    first, again, other = (choose(*given, noise=0.1, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(first.yardstick, again.yardstick)
    assert keys(first.yardstick) != keys(other.yardstick)


NAN = np.full((8, 6, 6, 1), np.nan, np.float32)


@pytest.mark.parametrize(
    ("generated", "training", "reference", "held_out", "sentence"),
    [
        (rows(0, 3), rows(1, 9), rows(2, 50), None, "3 generated rows: an evaluation needs"),
        (rows(0, 8), rows(1, 9, 5, 5, 1), rows(2, 50), None, r"training rows have shape \(5, 5"),
        (rows(0, 8), rows(1, 9), rows(2, 50, 6, 6, 3), None, "reference rows have shape"),
        (rows(0, 8), rows(1, 9), rows(2, 50), rows(3, 9, 2), "held-out rows have shape"),
        (NAN, rows(1, 9), rows(2, 50), None, "8 of 8 rows of the generated rows are not finite"),
        (rows(0, 8), rows(1, 50), rows(1, 50), None, "0 reference rows and 0 held-out rows"),
        (rows(0, 8), rows(1, 9), rows(2, 12), None, "2 held-out rows are left"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(
    generated, training, reference, held_out, sentence
):
    with pytest.raises(InputError, match=sentence):
        choose(generated, training, reference, held_out, noise=0.1, seed=0)


def test_no_noise_is_no_baseline():
    with pytest.raises(InputError, match="positive standard deviation"):
        choose(rows(2, 8), rows(0, 10), rows(1, 100), None, noise=0.0, seed=0)
