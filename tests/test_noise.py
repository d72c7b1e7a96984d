"""Noise on the gradient: its size by the step, fresh numbers, and rows that know their own."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ganntk.errors import InputError
from ganntk.noise import (
    AnnealedNoise,
    ExponentialNoise,
    Noise,
    NoNoise,
    StaticNoise,
    numbered,
)
from ganntk.shards import Shard, join, split

SHAPE = (50, 6, 5)
CASES = {
    "none": (NoNoise(), [0, 0, 0]),
    "static": (StaticNoise(0.3), [0.3, 0.3, 0.3]),
    "exponential": (ExponentialNoise(0.4, 0.5), [0.4, 0.2, 0.1]),
    "annealed": (AnnealedNoise(0.6, 1.0), [0.6, 0.3, 0.2]),
}


def noises(noise: Noise, steps: int, *, seed: int = 0, state=None) -> list[np.ndarray]:
    """What is added to a zero gradient in some steps: descent of rate 1 gives it back."""
    chain = noise.around(optax.sgd(1.0), seed)
    state = chain.init(jnp.zeros(SHAPE)) if state is None else state
    found = []
    for _ in range(steps):
        updates, state = chain.update(jnp.zeros(SHAPE), state)
        found.append(-np.asarray(updates))
    return found


def test_every_registered_noise_has_a_case_here():
    assert set(Noise.get_known_choices()) == set(CASES)  # type: ignore[attr-defined]


@pytest.mark.parametrize("case", CASES)
def test_its_deviation_is_as_documented(case):
    noise, wanted = CASES[case]
    for found, deviation in zip(noises(noise, 3), wanted, strict=True):
        # 1500 numbers: 0.9 is five standard errors away.
        assert np.std(found) == pytest.approx(deviation, rel=0.1)
        assert abs(np.mean(found)) <= 5 * deviation / np.sqrt(found.size)


def test_every_step_row_and_seed_has_numbers_of_its_own():
    first, second = noises(StaticNoise(1.0), 2)
    other = noises(StaticNoise(1.0), 1, seed=1)[0]
    many = np.stack([first, second, other]).reshape(150, 30)
    correlations = np.corrcoef(many) - np.eye(150)
    assert np.abs(correlations).max() < 0.9
    np.testing.assert_array_equal(noises(StaticNoise(1.0), 1)[0], first)


def test_arrays_of_a_tree_have_numbers_of_their_own():
    chain = StaticNoise(1.0).around(optax.sgd(1.0), 0)
    tree = {"a": jnp.zeros((4, 3)), "b": jnp.zeros((4, 3)), "c": jnp.zeros(())}
    updates, _ = chain.update(tree, chain.init(tree))
    assert np.abs(updates["a"] - updates["b"]).min() > 0
    assert updates["c"].shape == ()


def test_a_row_has_the_same_noise_whoever_owns_it_and_wherever_it_is_cut():
    chain = StaticNoise(1.0).around(optax.adam(1.0), 0)
    points = jnp.zeros(SHAPE)
    whole = Shard(points, chain.init(points))
    _, after = chain.update(points, whole.optimizer)
    wanted = noises(StaticNoise(1.0), 2)
    parts = split(Shard(points, after), 3)
    second = [chain.update(jnp.zeros_like(part.points), part.optimizer) for part in parts]
    sgd = [noises_of(part) for part in parts]
    np.testing.assert_array_equal(np.concatenate(sgd), wanted[1])
    joined = join([Shard(np.asarray(p.points), s) for p, (_, s) in zip(parts, second, strict=True)])
    assert jax.tree.map(jnp.shape, joined.optimizer) == jax.tree.map(jnp.shape, after)


def noises_of(part: Shard) -> np.ndarray:
    """The noise of the next step on a shard, seen through plain descent."""
    chain = StaticNoise(1.0).around(optax.sgd(1.0), 0)
    zero = jnp.zeros_like(part.points)
    state = (part.optimizer[0], chain.init(zero)[1])
    return -np.asarray(chain.update(zero, state)[0])


def test_another_member_goes_on_counting_rows():
    noise = StaticNoise(1.0)
    state = noise.around(optax.sgd(1.0), 0).init(jnp.zeros(SHAPE))
    first = noises(noise, 1)[0]
    moved = noises(noise, 1, state=numbered(state, 10))[0]
    np.testing.assert_array_equal(moved[:40], first[10:])
    assert np.abs(moved[40:] - first[:10]).min() > 0


@pytest.mark.parametrize("optimizer", [optax.sgd(0.5), optax.adam(0.5)])
def test_noise_on_points_is_added_to_what_the_optimiser_gives(optimizer):
    gradient = jax.random.normal(jax.random.key(1), SHAPE)
    chain = AnnealedNoise(0.3, on="points").around(optimizer, 0)
    found, state = chain.update(gradient, chain.init(jnp.zeros(SHAPE)))
    moved, _ = optimizer.update(gradient, optimizer.init(jnp.zeros(SHAPE)))
    wanted = noises(AnnealedNoise(0.3), 1)[0]
    np.testing.assert_allclose(found - moved, wanted, rtol=0, atol=1e-6)
    again, _ = chain.update(jnp.zeros(SHAPE), state)
    assert np.abs(again - found).min() > 0


def test_equal_arguments_give_the_same_optimiser():
    optimizer = optax.sgd(0.1)
    assert StaticNoise(1.0).around(optimizer, 3) is StaticNoise(1.0).around(optimizer, 3)
    assert NoNoise().around(optimizer, 3) is optimizer


def test_impossible_noise_is_refused():
    for wrong in (
        lambda: StaticNoise(-1.0),
        lambda: ExponentialNoise(1.0, 1.5),
        lambda: AnnealedNoise(1.0, -0.5),
    ):
        with pytest.raises(InputError, match=r"noise\.\w+ is .*: expected"):
            wrong()
