"""Runs over workers: Ray actors that own a device, or one worker in this process. Layer 6.

Importing this package does not import Ray; `ganntk.distributed.ray_group` does.
"""

from ganntk.distributed.driver import Progress, RunResult, run

__all__ = ["Progress", "RunResult", "run"]
