"""ganntk: synthesise images from few images with neural tangent kernels.

Importing it starts neither Ray nor a device; each name below is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ganntk.errors import CheckpointError, InputError, NonFiniteObjectiveError

if TYPE_CHECKING:
    from ganntk import discriminator, generators, kernels, lam, objectives, report
    from ganntk.facade import SynthesisResult, synthesize
    from ganntk.optimizers import Optimizer

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "InputError",
    "NonFiniteObjectiveError",
    "Optimizer",
    "SynthesisResult",
    "discriminator",
    "generators",
    "kernels",
    "lam",
    "objectives",
    "report",
    "synthesize",
]

_HOMES = {
    "Optimizer": "ganntk.optimizers",
    "SynthesisResult": "ganntk.facade",
    "synthesize": "ganntk.facade",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that ``ganntk --help`` does not wait for JAX."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"ganntk.{name}")
    raise AttributeError(f"module 'ganntk' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
