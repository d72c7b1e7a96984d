"""The gradient through a generator, and shares that add up to a step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from ganntk import batches, discriminator, generation
from ganntk.generation import Generation
from ganntk.generators import Points
from ganntk.generators import network as networks
from ganntk.generators.dense import DenseNetwork
from ganntk.generators.transposed import Transposed
from ganntk.kernels import Dense, Flatten, Network, Relu
from ganntk.lam import Fixed
from ganntk.objectives import SquaredError
from ganntk.stacked import Problem
from tests.reference import exponentials

pytestmark = pytest.mark.usefixtures("float64", "quick_compile")

KERNEL = Network((Flatten(), Dense(), Relu(), Dense()))
NETWORKS = {
    "dense": (DenseNetwork(widths=(6,)), (3,)),
    "batch normalised": (Transposed(latent=3, dense=(), channels=(4, 3)), (4, 4, 1)),
}


def made(case: str, batches: int = 3) -> tuple[Generation, jax.Array]:
    network, shape = NETWORKS[case]
    problem = Problem(KERNEL, SquaredError(), optax.adam(0.01), Points(4), lam=Fixed(2.0))
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(9, *shape)))
    return Generation(problem, network, batches, shape, seed=1), x


@pytest.mark.parametrize("case", NETWORKS)
def test_the_gradient_of_a_batch_is_that_of_full_autodiff(case):
    given, x = made(case)
    state = generation.init(given, x)
    own, z = generation._draw(given, x, jnp.asarray(2), jnp.asarray(1))
    y = discriminator.labels(4, 4)

    def loss(parameters):
        weights = state.weights._replace(parameters=parameters)
        rows, _ = networks.generate(given.network, given.row_shape, weights, z, is_training=True)
        stacked = jnp.concatenate([own, rows])
        return exponentials.loss(KERNEL(stacked, stacked), y, 2.0, 0.0, objective="squared_error")

    wanted, slope = jax.value_and_grad(loss)(state.weights.parameters)
    found = generation.share(given, x, state.weights, state.lam, jnp.asarray(2), jnp.asarray(1))
    assert float(found.report.loss) == pytest.approx(float(wanted), rel=1e-12)
    scale = float(optax.tree.norm(slope))
    for ours, theirs in zip(jax.tree.leaves(found.gradient), jax.tree.leaves(slope), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10 * scale)


@pytest.mark.parametrize("case", NETWORKS)
def test_a_step_is_optax_along_the_mean_over_its_batches(case):
    given, x = made(case)
    state = generation.init(given, x)
    shares = [
        generation.share(given, x, state.weights, state.lam, state.step, jnp.asarray(batch))
        for batch in range(3)
    ]
    total = generation.added(generation.added(*shares[:2]), shares[2])
    moved, report = generation.updated(given, state, total)
    mean = jax.tree.map(lambda *each: sum(each) / 3, *(share.gradient for share in shares))
    updates, _ = given.problem.optimizer.update(mean, state.optimizer)
    wanted = optax.apply_updates(state.weights.parameters, updates)
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=1e-12),
        moved.weights.parameters,
        wanted,
    )
    losses = [float(share.report.loss) for share in shares]
    assert len(set(losses)) == 3
    assert float(report.loss) == pytest.approx(np.mean(losses), rel=1e-12)
    assert float(report.gradient_norm) == pytest.approx(float(optax.tree.norm(mean)), rel=1e-12)
    tops = [float(share.report.eigenvalue_max) for share in shares]
    assert float(report.eigenvalue_max) == max(tops)
    statistics = jax.tree.map(lambda *each: sum(each) / 3, *(share.statistics for share in shares))
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=1e-14),
        moved.weights.statistics,
        statistics,
    )


def test_rows_that_a_generator_is_shown_by_are_the_same_in_any_chunk():
    given, x = made("batch normalised")
    weights = generation.init(given, x).weights
    whole = generation.samples(given, weights, 0, 8)
    part = generation.samples(given, weights, 4, 4)
    np.testing.assert_allclose(part, whole[4:], atol=1e-13)
    z = generation._draw(given, x, jnp.asarray(0), jnp.asarray(0))[1]
    shown = networks.codes(given.network, jax.random.fold_in(jax.random.key(1), 5), 4)
    assert np.abs(z - shown).min() > 0  # codes of training are others


def test_a_look_gives_d_on_the_rows_it_is_given():
    given, x = made("dense")
    state = generation.init(given, x)
    rows = generation.samples(given, state.weights, 0, 4)
    loss, d = generation.look(given, x, rows, state.lam, jnp.asarray(0))
    own, _ = generation._draw(given, x, jnp.asarray(-1), jnp.asarray(0))
    found = batches.solved(given.problem, own, rows, state.lam).solution
    np.testing.assert_allclose(d, found.predictions[4:], atol=1e-13)
    assert float(loss) == pytest.approx(float(found.loss), rel=1e-12)
