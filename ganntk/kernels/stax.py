"""Any `neural_tangents.stax` network as a kernel: the one importer of neural_tangents. Layer 2.

The package's own `__init__` imports TensorFlow and code that current JAX breaks, while its `stax`
module works. So the package is put in `sys.modules` as a bare namespace first.
"""

import functools
import importlib
import importlib.machinery
import math
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
from jaxtyping import Array, Float

from ganntk.errors import InputError
from ganntk.kernels.base import Kernel
from ganntk.typing import Block, Rows


def import_stax() -> types.ModuleType:
    """Import `neural_tangents.stax` without the package's `__init__`."""
    if "neural_tangents" not in sys.modules:
        spec = importlib.machinery.PathFinder.find_spec("neural_tangents")
        if spec is None or spec.submodule_search_locations is None:
            raise InputError("neural_tangents is not installed: pip install neural-tangents==0.6.5")
        package = types.ModuleType("neural_tangents")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["neural_tangents"] = package
    return importlib.import_module("neural_tangents.stax")


@dataclass(frozen=True)
class Stax(Kernel):
    """The NTK or NNGP kernel of a `neural_tangents.stax` network.

    It carries covariances, not distances: expect float32 gradients to lose accuracy where generated
    rows come within 1e-2 of real ones, and several times the memory and time of `Network`.

    Args:
        kernel_fn: the third value that a `stax` network returns.
        get: which of its kernels.

    Example:
        >>> stax = import_stax()
        >>> network = stax.serial(stax.Flatten(), stax.Dense(1), stax.Relu(), stax.Dense(1))
        >>> kernel = Stax(network[2])
        >>> kernel(jnp.ones((2, 8, 8, 1)), jnp.ones((3, 8, 8, 1))).shape
        (2, 3)
    """

    kernel_fn: Callable[..., Any]
    get: Literal["ntk", "nngp"] = "ntk"

    def __call__(self, x1: Rows, x2: Rows) -> Block:
        return self.kernel_fn(x1, x2, self.get)

    def diagonal(self, x: Rows) -> Float[Array, " rows"]:
        return jax.lax.map(lambda row: self(row[None], row[None])[0, 0], x)

    def bytes_per_pair(self, row_shape: tuple[int, ...], itemsize: int) -> int:
        # Measured with value_and_grad on 28 x 28 to 64 x 64 images: 13 bytes per pixel in float32.
        return 4 * itemsize * math.prod(row_shape)


@Kernel.register("stax")
@dataclass(frozen=True)
class StaxReference(Kernel):
    """A `stax` network that a configuration names.

    Args:
        network: ``package.module:attribute``, see `load`.
    """

    network: str

    def __post_init__(self) -> None:
        # Loaded at once, so that a wrong name is refused where it was written.
        self._kernel  # noqa: B018

    def __call__(self, x1: Rows, x2: Rows) -> Block:
        return self._kernel(x1, x2)

    def diagonal(self, x: Rows) -> Float[Array, " rows"]:
        return self._kernel.diagonal(x)

    def bytes_per_pair(self, row_shape: tuple[int, ...], itemsize: int) -> int:
        return self._kernel.bytes_per_pair(row_shape, itemsize)

    @functools.cached_property
    def _kernel(self) -> Stax:
        return load(self.network)


def load(reference: str) -> Stax:
    """Load the kernel of a network named ``package.module:attribute``.

    The attribute is a `stax` network (init_fn, apply_fn, kernel_fn) or a function that returns one.

    Raises:
        InputError: the reference has another form, or cannot be imported, or is no network.
    """
    module_name, _, attribute = reference.partition(":")
    if not attribute:
        raise InputError(f"stax network {reference!r}: expected package.module:attribute")
    import_stax()
    try:
        network = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"stax network {reference!r} cannot be imported ({error}): check that the module is on "
            "the Python path of every worker"
        ) from error
    network = network() if callable(network) else network
    if not (isinstance(network, tuple) and len(network) == 3 and callable(network[2])):
        raise InputError(
            f"stax network {reference!r} is {type(network).__name__}: expected the three functions "
            "that neural_tangents.stax.serial returns"
        )
    return Stax(network[2])
