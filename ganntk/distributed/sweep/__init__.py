"""Sweeps: many runs of one base with other values, by Ray Tune. Layer 6.

`space` and `plan` are values and pure functions; `search` turns them into Tune's, `trial` is one
run, `running` carries a sweep out or goes on with one, `results` is what comes of it.
"""

from typing import TYPE_CHECKING

from ganntk.distributed.sweep.plan import Plan, load

if TYPE_CHECKING:
    from ganntk.distributed.sweep.running import resume, run

__all__ = ["Plan", "load", "resume", "run"]


def __getattr__(name: str) -> object:
    """Import Tune on first use: what is tried can be read without it."""
    if name in ("resume", "run"):
        from ganntk.distributed.sweep import running

        return getattr(running, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
