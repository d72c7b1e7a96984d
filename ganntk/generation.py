r"""GA-NTK through a generator network (Zhang et al. 2022, Eq. 6). Layer 3.

The generated rows of a batch are $Z = G(z; \theta)$ for fresh codes z, and the gradient goes on
through G to $\theta$. A step is the mean over several batches, each of which somebody else may
compute: what a batch draws depends on the seed, the step and its own number alone.
"""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from ganntk import batches, synthesis
from ganntk.generators import network as networks
from ganntk.generators.network import Network, Tree, Weights
from ganntk.stacked import Problem
from ganntk.synthesis import StepReport
from ganntk.typing import Count, Key, Rows, Scalar

# Purposes of random numbers, beside those of `synthesis` and `batches`.
_WEIGHTS = 3
_BATCH = 4
_SAMPLES = 5


@dataclass(frozen=True)
class Generation:
    """What does not change while a generator is trained.

    Args:
        problem: of one batch; its `points.count` is half a batch.
        network: the generator's architecture.
        batches: how many make a step.
        row_shape: of one row.
        seed: fixes everything that is random.
    """

    problem: Problem
    network: Network
    batches: int
    row_shape: tuple[int, ...]
    seed: int

    @property
    def half(self) -> int:
        """Generated rows of a batch, and as many real ones."""
        return self.problem.points.count or 1


class GeneratorState(NamedTuple):
    """What a step changes, and all that a checkpoint needs."""

    step: Count
    weights: Weights
    optimizer: optax.OptState
    lam: Scalar


class Share(NamedTuple):
    """What one batch adds to a step, or the sum over some batches.

    Attributes:
        gradient: by the parameters.
        statistics: running means and variances after the batch.
        report: of the batch.
        lam: the rule's next training time, as this batch sees it.
    """

    gradient: Tree
    statistics: Tree
    report: StepReport
    lam: Scalar


def init(generation: Generation, x: Rows) -> GeneratorState:
    r"""Draw the first weights, and choose $\lambda$ for the first batch."""
    batches.check(generation.half, len(x), generation.half)
    key = jax.random.fold_in(jax.random.key(generation.seed), _WEIGHTS)
    weights = networks.start(generation.network, generation.row_shape, key, x.dtype)
    own, z = _draw(generation, x, jnp.asarray(0), jnp.asarray(0))
    rows, _ = _generated(generation, weights, z)
    problem = generation.problem
    return GeneratorState(
        step=jnp.zeros((), jnp.int32),
        weights=weights,
        optimizer=problem.optimizer.init(weights.parameters),
        lam=synthesis.first_lam(problem, batches.real_rows(problem, own), rows),
    )


@functools.partial(jax.jit, static_argnums=0)
def share(
    generation: Generation, x: Rows, weights: Weights, lam: Scalar, step: Count, batch: Count
) -> Share:
    """What one batch of a step gives.

    Args:
        generation: what does not change.
        x: real rows.
        weights: of the generator.
        lam: training time.
        step: steps taken before.
        batch: number of the batch in the step.
    """
    own, z = _draw(generation, x, step, batch)

    def made(parameters: Tree) -> tuple[Rows, Tree]:
        return _generated(generation, weights._replace(parameters=parameters), z)

    rows, pull, statistics = jax.vjp(made, weights.parameters, has_aux=True)
    found, slope = batches.solved(generation.problem, own, rows, lam)
    (gradient,) = pull(slope)
    report = synthesis.report_of(found, generation.half, lam)
    after = synthesis.lam_after(generation.problem, found, step, lam)
    return Share(gradient, statistics, report, after)


@jax.jit
def added(first: Share, second: Share) -> Share:
    """Two shares as one."""
    report = StepReport(*map(jnp.add, first.report, second.report))._replace(
        eigenvalue_min=jnp.minimum(first.report.eigenvalue_min, second.report.eigenvalue_min),
        eigenvalue_max=jnp.maximum(first.report.eigenvalue_max, second.report.eigenvalue_max),
        residual=jnp.maximum(first.report.residual, second.report.residual),
    )
    rest = jax.tree.map(jnp.add, first._replace(report=None), second._replace(report=None))
    return rest._replace(report=report)


@functools.partial(jax.jit, static_argnums=0)
def updated(
    generation: Generation, state: GeneratorState, total: Share
) -> tuple[GeneratorState, StepReport]:
    """Move the weights by the mean over the batches of a step.

    Args:
        generation: what does not change.
        state: before the step.
        total: the sum of all its shares.
    """
    count, optimizer = generation.batches, generation.problem.optimizer
    gradient, statistics, lam = jax.tree.map(
        lambda leaf: leaf / count, (total.gradient, total.statistics, total.lam)
    )
    updates, slots = optimizer.update(gradient, state.optimizer, state.weights.parameters)
    parameters: Any = optax.apply_updates(state.weights.parameters, updates)
    norm = optax.tree.norm(gradient)
    report = StepReport(*(series / count for series in total.report))._replace(
        gradient_norm=jnp.asarray(norm, total.report.loss.dtype),
        eigenvalue_min=total.report.eigenvalue_min,
        eigenvalue_max=total.report.eigenvalue_max,
        products=total.report.products,
        residual=total.report.residual,
    )
    moved = GeneratorState(state.step + 1, Weights(parameters, statistics), slots, lam)
    return moved, report


def sample_key(seed: int) -> Key:
    """The key of the codes of all rows that a generator is shown by."""
    return jax.random.fold_in(jax.random.key(seed), _SAMPLES)


def samples(generation: Generation, weights: Weights, first: int, count: int) -> Rows:
    """Rows number `first` and the following of a trained generator, the same at every step."""
    key = sample_key(generation.seed)
    return _sampled(generation, weights, key, jnp.asarray(first), count)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _sampled(generation: Generation, weights: Weights, key: Key, first: Count, count: int) -> Rows:
    z = networks.codes(generation.network, key, count, first)
    return networks.generate(generation.network, generation.row_shape, weights, z)[0]


@functools.partial(jax.jit, static_argnums=0)
def look(
    generation: Generation, x: Rows, rows: Rows, lam: Scalar, batch: Count
) -> tuple[Scalar, Float[Array, " half"]]:
    """The objective of half a batch of given rows beside drawn real ones, and D on each."""
    own, _ = _draw(generation, x, jnp.asarray(-1), batch)
    real = batches.real_rows(generation.problem, own)
    found = synthesis.evaluate(generation.problem, real, rows, lam)
    return found.loss, found.predictions[generation.half :]


def _draw(
    generation: Generation, x: Rows, step: Count, batch: Count
) -> tuple[Rows, networks.Codes]:
    """The real rows and the codes of one batch."""
    key = jax.random.fold_in(jax.random.key(generation.seed), _BATCH)
    key = jax.random.fold_in(jax.random.fold_in(key, step), batch)
    real_key, code_key = jax.random.split(key)
    own = x[batches.drawn(real_key, len(x), generation.half)]
    return own, networks.codes(generation.network, code_key, generation.half)


def _generated(generation: Generation, weights: Weights, z: networks.Codes) -> tuple[Rows, Tree]:
    return networks.generate(generation.network, generation.row_shape, weights, z, is_training=True)
