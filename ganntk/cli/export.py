"""``ganntk export``: what a run made, as files to open elsewhere. Layer 8."""

import argparse
import json
from typing import TextIO

from ganntk.cli.command import Commands, plain
from ganntk.cli.sample import trained_of
from ganntk.errors import InputError

_PROGRAM = "program"


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "export", help="the rows of a run, or its generator, as files to open"
    )
    parser.add_argument("run_uri", help="the run's folder, on any storage")
    parser.add_argument(
        "destination", metavar="DST", help="a new folder for png and program, otherwise a file"
    )
    parser.add_argument(
        "--format",
        choices=("png", "npz", "parquet", "grid", _PROGRAM),
        default="png",
        help="a folder of pictures; arrays; pictures in a table; all in one picture; the trained "
        "generator as a program for JAX alone",
    )
    parser.add_argument(
        "--step",
        type=int,
        help="of which checkpoint the program is; what the run kept, else the newest",
    )
    parser.set_defaults(command=plain(_export))


def _export(options: argparse.Namespace, out: TextIO) -> None:
    if options.format == _PROGRAM:
        _write_program(options, out)
        return
    if options.step is not None:
        raise InputError("--step is for --format program: rows are those of the run's end")
    # Imported here: asking for help must not wait for Arrow.
    from ganntk.export import export

    count = export(options.run_uri, options.destination, kind=options.format)
    out.write(json.dumps({"uri": options.destination, "rows": count}) + "\n")


def _write_program(options: argparse.Namespace, out: TextIO) -> None:
    from ganntk import sampling

    trained, _ = trained_of(options)
    program = sampling.write_program(trained, options.destination)
    out.write(json.dumps({"program": program, "step": trained.step}) + "\n")
