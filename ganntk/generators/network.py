"""Generator networks: from random codes to rows, with weights that are plain arrays. Layer 2."""

import abc
from typing import Any, ClassVar, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from ganntk.registry import Registered
from ganntk.typing import Count, Key, Rows

Codes: TypeAlias = Float[Array, "rows latent"]
"""What a generator makes rows of: standard normal numbers."""

Tree: TypeAlias = Any
"""Nested dictionaries of arrays."""


class Weights(NamedTuple):
    """The arrays of a network.

    Attributes:
        parameters: what is optimised.
        statistics: running means and variances of batch normalisation, for inference.
    """

    parameters: Tree
    statistics: Tree


class Network(Registered, abc.ABC):
    """The architecture of a generator.

    Adding one is adding a file to `ganntk.generators` with a frozen dataclass that registers
    itself.
    """

    kind = "generator network"
    package = "ganntk.generators"
    default_name = "transposed"
    _registry: ClassVar[dict[str, type]] = {}

    latent: int

    @abc.abstractmethod
    def build(self, row_shape: tuple[int, ...], *, rngs: nnx.Rngs, dtype: jnp.dtype) -> nnx.Module:
        """A module that takes codes to rows of one shape, in the range from 0 to 1.

        Args:
            row_shape: of one row: (h, w, c), or (d,).
            rngs: where the first weights come from.
            dtype: of the weights.

        Raises:
            InputError: this architecture makes no rows of that shape.
        """


def start(
    network: Network, row_shape: tuple[int, ...], key: Key, dtype: jnp.dtype = jnp.float32
) -> Weights:
    """The first weights of a network."""
    module = network.build(row_shape, rngs=nnx.Rngs(key), dtype=dtype)
    _, parameters, statistics = nnx.split(module, nnx.Param, nnx.BatchStat)
    # Statistics start in float32, whatever the weights are.
    running = jax.tree.map(lambda leaf: leaf.astype(dtype), nnx.to_pure_dict(statistics))
    return Weights(nnx.to_pure_dict(parameters), running)


def codes(network: Network, key: Key, count: int, first: Count | int = 0) -> Codes:
    """Codes number `first` and the following: each depends on the key and its own number alone."""

    def code(index: jax.Array) -> jax.Array:
        return jax.random.normal(jax.random.fold_in(key, index), (network.latent,), jnp.float32)

    return jax.vmap(code)(first + jnp.arange(count))


def generate(
    network: Network,
    row_shape: tuple[int, ...],
    weights: Weights,
    z: Codes,
    *,
    is_training: bool = False,
) -> tuple[Rows, Tree]:
    """Rows made of codes.

    Args:
        network: the architecture.
        row_shape: of one row.
        weights: its arrays.
        z: shape (rows, latent).
        is_training: whether batch normalisation uses the statistics of these rows; otherwise it
            uses the running ones, and a row does not depend on the others.

    Returns:
        The rows, and the running statistics after them.
    """
    dtype = jax.tree.leaves(weights.parameters)[0].dtype
    empty = nnx.eval_shape(lambda: network.build(row_shape, rngs=nnx.Rngs(0), dtype=dtype))
    graph, parameters, statistics = nnx.split(empty, nnx.Param, nnx.BatchStat)
    nnx.replace_by_pure_dict(parameters, weights.parameters)
    nnx.replace_by_pure_dict(statistics, weights.statistics)
    module = nnx.merge(graph, parameters, statistics)
    (module.train if is_training else module.eval)()
    rows = module(jnp.asarray(z, dtype))  # type: ignore[operator]
    return rows, nnx.to_pure_dict(nnx.state(module, nnx.BatchStat))
