"""What a watch measures, beside the measures on whole sets."""

import numpy as np
import pytest

from ganntk.data.located import source_of
from ganntk.errors import InputError
from ganntk.metrics import kernel_distance, memorisation, nearest, structural
from ganntk.stopping import Watch, watch


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return source_of("digits").load().rows


def test_values_are_those_of_the_measures(digits):
    training, held_out, points = digits[:40], digits[40:90], digits[90:120] ** 2
    found = Watch(training, held_out).measure(points)
    ours, fresh = (structural.between(rows, training) for rows in (points, held_out))
    assert found["am_ssim"] == pytest.approx(structural.compute(ours), abs=1e-6)
    score = memorisation.between(-ours.similarity, -fresh.similarity).score
    assert found["memorisation"] == pytest.approx(score)


def test_points_of_the_plane_are_measured_by_their_coordinates():
    draws = np.random.default_rng(0)
    training, held_out, points = (draws.random((20, 2)).astype(np.float32) for _ in range(3))
    found = Watch(training, held_out).measure(points)
    gaps = [nearest(rows, training).distance for rows in (points, held_out)]
    assert found == {
        "memorisation": pytest.approx(memorisation.between(*gaps).score),
        "held_out_distance": pytest.approx(kernel_distance.between(points, held_out).value),
    }


@pytest.mark.parametrize("shape", [(8, 8, 1), (2,)])
def test_without_held_out_rows_each_training_row_is_held_against_the_others(shape):
    training = np.random.default_rng(1).random((12, *shape)).astype(np.float32)
    points = np.random.default_rng(2).random((9, *shape)).astype(np.float32)

    def gaps(rows, others):
        if len(shape) == 1:
            return nearest(rows, others).distance
        return 1 - structural.between(rows, others).similarity

    own = [gaps(training[i : i + 1], np.delete(training, i, 0))[0] for i in range(12)]
    expected = memorisation.between(gaps(points, training), np.array(own)).score
    found = Watch(training, None).measure(points)
    assert found["memorisation"] == pytest.approx(expected)
    assert "held_out_distance" not in found


def test_copies_score_one_and_noise_scores_zero(digits):
    seen = Watch(digits[:40], None)
    assert seen.measure(digits[:40])["memorisation"] == 1
    noise = np.random.default_rng(3).random((20, 8, 8, 1)).astype(np.float32)
    assert seen.measure(noise)["memorisation"] < 0.01


def test_many_rows_are_measured_by_some_of_them(digits, monkeypatch):
    monkeypatch.setattr(watch, "MOST_ROWS", 16)
    found = Watch(digits[:40], digits[40:140]).measure(digits[140:340])
    few = digits[140:340][np.linspace(0, 199, 16).round().astype(int)]
    expected = structural.compute(structural.between(few, digits[:40]))
    assert found["am_ssim"] == pytest.approx(expected, abs=1e-6)


def test_held_out_rows_that_are_training_rows_do_not_count(digits):
    with pytest.raises(InputError, match="7 of 47 held-out rows are no training rows"):
        Watch(digits[:40], digits[:47])


def test_held_out_rows_of_another_shape_are_refused(digits):
    with pytest.raises(InputError, match="rows of one shape"):
        Watch(digits[:40], np.zeros((20, 9, 9, 1), np.float32))
