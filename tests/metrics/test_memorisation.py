"""The memorisation score beside its definition and scipy's rank test."""

import numpy as np
import pytest
from scipy import stats

from ganntk.errors import InputError
from ganntk.metrics.memorisation import between, compute, init, merge, update


def pairs(generated: np.ndarray, held_out: np.ndarray) -> float:
    nearer = generated[:, None] < held_out
    equal = generated[:, None] == held_out
    return float((nearer + 0.5 * equal).mean())


@pytest.mark.parametrize("decimals", [1, 8])
def test_score_is_the_share_of_pairs_also_with_ties(decimals):
    draws = np.random.default_rng(0)
    generated, held_out = draws.random(40).round(decimals), draws.random(31).round(decimals)
    assert between(generated, held_out).score == pytest.approx(pairs(generated, held_out))


def test_z_is_that_of_the_rank_test_of_mann_and_whitney():
    draws = np.random.default_rng(1)
    generated, held_out = draws.random(40), 0.2 + draws.random(50)
    test = stats.mannwhitneyu(
        generated, held_out, use_continuity=False, alternative="less", method="asymptotic"
    )
    found = between(generated, held_out)
    assert stats.norm.cdf(found.z) == pytest.approx(test.pvalue, rel=1e-9)


def test_one_distribution_scores_a_half_and_copies_one():
    draws = np.random.default_rng(2)
    assert between(draws.random(500), draws.random(500)).score == pytest.approx(0.5, abs=0.05)
    copied = between(np.zeros(50), 0.1 + draws.random(50))
    assert copied.score == 1
    assert copied.z < -8


def test_rows_nowhere_near_score_zero():
    assert between(np.full(5, 9.0), np.ones(7)).score == 0


def test_shards_merge_to_the_whole():
    draws = np.random.default_rng(3)
    generated, held_out = draws.random(20), draws.random(30)
    parts = [
        update(init(), generated[:6], held_out[:25]),
        update(init(), generated[6:], held_out[25:]),
    ]
    assert compute(merge(*parts)) == between(generated, held_out)


@pytest.mark.parametrize(
    ("generated", "held_out"),
    [([], [1.0]), ([1.0], []), ([np.nan], [1.0]), ([[1.0]], [1.0]), ([1.0], [-np.inf])],
)
def test_distances_without_a_score_are_refused(generated, held_out):
    with pytest.raises(InputError, match="give"):
        between(generated, held_out)
