"""Runs over workers: Ray actors that own a device, or one worker in this process. Layer 6.

Importing this package does not import Ray; `ganntk.distributed.ray_group` does. Nor does it import
the driver, with its reports and pictures: a worker, which imports modules from here, needs none.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganntk.distributed.driver import Company, Progress, RunResult, resume, run

__all__ = ["Company", "Progress", "RunResult", "resume", "run"]


def __getattr__(name: str) -> Any:
    """Import the driver's names on first use."""
    if name in __all__:
        return getattr(importlib.import_module("ganntk.distributed.driver"), name)
    raise AttributeError(f"module 'ganntk.distributed' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
