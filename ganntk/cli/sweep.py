"""``ganntk sweep``: many runs with other values, and the best of them. Layer 7."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from typing import TextIO

from ganntk.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--config", metavar="FILE", help="YAML file of a sweep, on any storage")
    which.add_argument("--resume", metavar="URI", help="go on with the sweep in this folder")


def sweep(options: argparse.Namespace, overrides: Sequence[str], out: TextIO) -> None:
    """Carry a sweep out, or go on with one, and print its end as one JSON object."""
    # Ray reads its variables when it is imported.
    from ganntk.distributed.ray_session import stay_on_loopback

    if options.resume is None:
        from ganntk.distributed.sweep import plan as plans

        plan = plans.load(options.config, overrides)
        if plan.address == "local":
            stay_on_loopback()
        from ganntk.distributed import sweep as sweeps

        summary = sweeps.run(plan)
    else:
        address = _address(overrides)
        if address is None:
            stay_on_loopback()
        from ganntk.distributed import sweep as sweeps

        summary = sweeps.resume(options.resume, address)
    out.write(json.dumps(dataclasses.asdict(summary)) + "\n")


def _address(overrides: Sequence[str]) -> str | None:
    """The only option that a sweep that goes on may change."""
    if not overrides:
        return None
    if len(overrides) == 2 and overrides[0] == "--address":
        return overrides[1]
    raise InputError(
        f"--resume takes --address alone, and got {' '.join(overrides)}: the rest of a sweep stays "
        "as it was"
    )
