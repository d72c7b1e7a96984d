"""``ganntk experiment``: an experiment of the paper at some scale. Layer 8."""

import argparse
import json
import time
from collections.abc import Sequence
from typing import TextIO

from ganntk.cli.command import Commands, worded

_FOLDER = "configs/paper"


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "experiment",
        help="carry out an experiment of the paper: a table and a figure",
        usage="ganntk experiment NAME [--scale small] [--to FOLDER] [--a.b VALUE]...",
        allow_abbrev=False,
    )
    parser.set_defaults(command=worded(carry_out))
    parser.add_argument("name", help=f"a file of {_FOLDER} without its ending, or a plan's URI")
    parser.add_argument(
        "--scale", default="small", help="small: minutes on two cores; full: as published"
    )
    parser.add_argument("--to", metavar="URI", help="a new folder; below runs/ without it")


def carry_out(options: argparse.Namespace, overrides: Sequence[str], out: TextIO) -> None:
    """Measure, and print the table."""
    # Imported here: asking for help must not wait for JAX.
    from ganntk import experiments
    from ganntk.cli.progress import progress

    is_uri = options.name.endswith((".yaml", ".yml"))
    uri = options.name if is_uri else f"{_FOLDER}/{options.name}.yaml"
    plan = experiments.load(uri, options.scale, overrides)
    name = uri.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    folder = options.to or f"runs/{name}-{options.scale}-{time.strftime('%Y%m%d-%H%M%S')}"
    with progress() as shown:
        outcome = experiments.carry_out(plan, folder, shown)
    written = {"table": outcome.table, "figure": outcome.figure}
    out.write(f"{outcome.text}\n{json.dumps(written)}\n")
