"""Sweeps: many runs on one cluster, towards the best configuration. Layer 7, above distributed.

`space` and `settings` describe a sweep, `ledger` remembers what happened, `outcome` reads an answer
from it; none of these needs Ray. `trial` is one run under Ray Tune, `searching` and `scheduling`
choose which and how long, `pool` holds what trials share, `tuning` puts it all together.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ganntk.sweeps.settings import SweepConfig, load

if TYPE_CHECKING:
    from ganntk.sweeps.tuning import SweepResult, resume, run

__all__ = ["SweepConfig", "SweepResult", "load", "resume", "run"]


def __getattr__(name: str) -> Any:
    """Import what needs Ray on first use."""
    if name in __all__:
        return getattr(importlib.import_module("ganntk.sweeps.tuning"), name)
    raise AttributeError(f"module 'ganntk.sweeps' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
