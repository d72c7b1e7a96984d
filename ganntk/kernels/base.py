"""What a kernel is: a block between two sets of rows, and its diagonal. Layer 2."""

import abc
from typing import ClassVar

from jaxtyping import Array, Float

from ganntk.registry import Registered
from ganntk.typing import Block, Rows


class Kernel(Registered, abc.ABC):
    """A positive semi-definite function of two examples, as JAX code.

    An implementation is a frozen dataclass (hashable, so that `jax.jit` can close over it) with
    three methods, in a file of its own that registers it. Gram matrices, pull-backs, tiles and
    memory budgets are derived from them in `ganntk.kernels.tiled`; nobody overrides those.
    """

    kind: ClassVar[str] = "kernel"
    package: ClassVar[str] = "ganntk.kernels"
    default_name: ClassVar[str | None] = "named"
    _registry: ClassVar[dict[str, type]] = {}

    @abc.abstractmethod
    def __call__(self, x1: Rows, x2: Rows) -> Block:
        """Evaluate $k$ between all pairs of two sets of rows.

        Must be differentiable. Where a row of `x1` equals one of `x2`, the derivative is half the
        gradient of $k(z, z)$, shared equally by the two arguments.

        Args:
            x1: first rows, shape (n1, ...).
            x2: second rows, shape (n2, ...), the same trailing shape and dtype.

        Returns:
            The block, shape (n1, n2).
        """

    @abc.abstractmethod
    def diagonal(self, x: Rows) -> Float[Array, " rows"]:
        """Evaluate $k(x_i, x_i)$ without any pair, shape (n,)."""

    @abc.abstractmethod
    def bytes_per_pair(self, row_shape: tuple[int, ...], itemsize: int) -> int:
        """Estimate the peak memory of a block and its pull-back, in bytes per pair of rows.

        Args:
            row_shape: shape of one row.
            itemsize: bytes of one number (4 or 8).
        """
