"""SSIM beside recorded values of TensorFlow, and beside the formula window by window."""

import numpy as np
import pytest

from ganntk.errors import InputError
from ganntk.metrics import structural
from ganntk.metrics.structural import between, compute, init, merge, update

# tf.image.ssim of TensorFlow 2.21 with max_val 1, filter_size 4, filter_sigma 1.5, k1 0.01,
# k2 0.03, of every pair of the images of seeds 0 and 1.
RECORDED = {
    (28, 28, 1): [
        [0.115752, 0.0590498, 0.0411317, 0.0259009, 0.0319108, 0.0655343, 0.0424294],
        [0.0341928, -0.0352887, -0.2798182, -0.0033101, 0.0234853, 0.7148789, -0.2875581],
        [0.0135733, -0.0526023, 0.1470823, 0.0426365, 0.0348636, -0.0012353, 0.1529029],
        [0.0209678, 0.0126692, 0.0144036, -0.0419699, -0.0425939, 0.0330162, 0.0160404],
        [0.0401032, 0.0215005, 0.0183832, 0.0229439, 0.0195373, 0.0215119, 0.0091224],
    ],
    (16, 12, 3): [
        [0.1855269, 0.0428875, -0.0112272, -0.0418176, -0.0126444, 0.2671227, 0.2350051],
        [0.1141379, -0.0167351, 0.0316918, 0.1212831, 0.3330686, 0.1337233, 0.1534986],
        [0.1134491, -0.0267719, 0.2268247, -0.068568, 0.178652, 0.332366, -0.0674668],
        [-0.0080886, -0.0448355, -0.045308, 0.0154817, -0.1105676, 0.1040144, 0.0873634],
        [0.487076, 0.0673131, -0.0963751, 0.0655157, 0.0434694, -0.0638862, 0.1010752],
    ],
}


def images(seed: int, count: int, *shape: int) -> np.ndarray:
    """Waves with some noise: as the recorded values were made."""
    height, width, channels = shape
    draws = np.random.RandomState(seed)
    noise = draws.random_sample((count, *shape))
    y, x = np.mgrid[:height, :width]
    across, down = (draws.uniform(0.1, 0.9, (count, 1, 1, channels)) for _ in range(2))
    waves = 0.5 + 0.5 * np.sin(x[None, :, :, None] * across + y[None, :, :, None] * down)
    return (0.85 * waves + 0.15 * noise).astype(np.float32)


def by_formula(a: np.ndarray, b: np.ndarray) -> float:
    offsets = np.arange(4) - 1.5
    weight = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
    weight /= weight.sum()
    values = []
    for c in range(a.shape[2]):
        for y in range(a.shape[0] - 3):
            for x in range(a.shape[1] - 3):
                p, q = (i[y : y + 4, x : x + 4, c].astype(np.float64) for i in (a, b))
                mp, mq = (weight * p).sum(), (weight * q).sum()
                vp, vq = (weight * (p - mp) ** 2).sum(), (weight * (q - mq) ** 2).sum()
                both = (weight * (p - mp) * (q - mq)).sum()
                top = (2 * mp * mq + 1e-4) * (2 * both + 9e-4)
                values.append(top / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    return float(np.mean(values))


@pytest.mark.parametrize("shape", RECORDED)
def test_each_pair_has_tensorflows_value(shape):
    one, other = images(0, 5, *shape), images(1, 7, *shape)
    found = [[between(a[None], b[None]).similarity[0] for b in other] for a in one]
    # TensorFlow sums in float32 too: 2e-6 was the largest difference seen.
    np.testing.assert_allclose(found, RECORDED[shape], atol=1e-5)


@pytest.mark.parametrize("shape", RECORDED)
def test_am_ssim_is_tensorflows_to_five_digits(shape):
    expected = np.array(RECORDED[shape])
    found = between(images(0, 5, *shape), images(1, 7, *shape))
    assert found.nearest.tolist() == expected.argmax(axis=1).tolist()
    assert compute(found) == pytest.approx(expected.max(axis=1).mean(), abs=1e-5)


def test_value_is_that_of_the_formula_for_a_close_pair():
    a = images(2, 1, 9, 7, 3)
    b = np.clip(a + 1e-2 * np.random.RandomState(3).standard_normal(a.shape), 0, 1)
    found = between(a, b.astype(np.float32)).similarity[0]
    assert found == pytest.approx(by_formula(a[0], b[0].astype(np.float32)), abs=2e-6)


def test_constant_images_have_the_value_of_their_brightness():
    dark, bright = np.zeros((1, 8, 8, 1), np.float32), np.ones((1, 8, 8, 1), np.float32)
    assert between(dark, dark).similarity[0] == 1
    # TensorFlow says 0.0001000032.
    assert between(dark, bright).similarity[0] == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-4)


def test_a_copy_is_found_and_has_similarity_one():
    real = images(4, 40, 12, 12, 1)
    order = np.random.RandomState(5).permutation(40)
    found = between(real[order], real)
    np.testing.assert_array_equal(found.nearest, order)
    np.testing.assert_allclose(found.similarity, 1, atol=1e-6)


def test_more_images_than_a_block_find_the_same_neighbours(monkeypatch):
    one, other = images(6, 11, 8, 8, 1), images(7, 23, 8, 8, 1)
    whole = between(one, other)
    monkeypatch.setattr(structural, "_BLOCK", 4)
    parts = between(one, other)
    np.testing.assert_array_equal(parts.nearest, whole.nearest)
    np.testing.assert_allclose(parts.similarity, whole.similarity, atol=1e-6)


@pytest.mark.parametrize("cut", [1, 9, 19])
def test_shards_of_real_images_merge_to_the_whole(cut):
    one, other = images(8, 6, 8, 8, 3), images(9, 20, 8, 8, 3)
    whole = between(one, other)
    first = update(init(6), one, other[:cut])
    second = update(init(6), one, other[cut:], first=cut)
    for merged in (merge(first, second), update(first, one, other[cut:], first=cut)):
        np.testing.assert_array_equal(merged.nearest, whole.nearest)
        np.testing.assert_allclose(merged.similarity, whole.similarity, atol=1e-6)


def test_equal_similarities_keep_the_first_image():
    one = images(10, 1, 8, 8, 1)
    assert between(one, np.concatenate([one, one])).nearest.tolist() == [0]


@pytest.mark.parametrize(
    ("generated", "real", "sentence"),
    [
        (np.zeros((0, 8, 8, 1)), np.zeros((3, 8, 8, 1)), "at least one image each"),
        (np.zeros((3, 8, 8, 1)), np.zeros((3, 8, 8, 3)), "have no SSIM"),
        (np.zeros((3, 3, 8, 1)), np.zeros((3, 3, 8, 1)), "window is 4 x 4"),
        (np.full((3, 8, 8, 1), np.nan), np.zeros((3, 8, 8, 1)), "generated images are not finite"),
        (np.zeros((3, 8)), np.zeros((3, 8)), "have no SSIM"),
    ],
)
def test_images_without_a_similarity_are_refused(generated, real, sentence):
    with pytest.raises(InputError, match=sentence):
        between(generated.astype(np.float32), real.astype(np.float32))


def test_no_comparison_has_no_mean():
    with pytest.raises(InputError, match="AM-SSIM of no images"):
        compute(init(3))


def test_matched_images_have_the_similarity_of_their_pair():
    rng = np.random.default_rng(5)
    one, other = (rng.random((7, 9, 8, 3)).astype(np.float32) for _ in range(2))
    other[2] = one[2]
    found = structural.matched(one, other)
    np.testing.assert_allclose(found, np.diag(structural.pairs(one, other)), atol=2e-6)
    assert found[2] == pytest.approx(1)


def test_sets_of_different_sizes_are_not_matched():
    with pytest.raises(InputError, match="2 images have no pairs with 3"):
        structural.matched(np.zeros((2, 5, 5, 1)), np.zeros((3, 5, 5, 1)))
