"""``ganntk export``: the rows of a run as files to open. Layer 7."""

import argparse
import json
import sys

from ganntk.errors import InputError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("run_uri", help="the run's folder, on any storage")
    parser.add_argument("destination", metavar="DST", help="a new folder for png, otherwise a file")
    parser.add_argument(
        "--format",
        choices=("png", "npz", "parquet", "grid"),
        default="png",
        help="a folder of pictures; arrays; pictures in a table; all in one picture",
    )
    parser.set_defaults(command=_export)


def _export(options: argparse.Namespace, rest: list[str]) -> int:
    # Imported here: asking for help must not wait for Arrow.
    from ganntk.export import export

    if rest:
        raise InputError(f"unexpected {' '.join(rest)!r}: see `ganntk export --help`")
    count = export(options.run_uri, options.destination, kind=options.format)
    sys.stdout.write(json.dumps({"uri": options.destination, "rows": count}) + "\n")
    return 0
