"""``ganntk sample``: rows of a trained generator. Layer 8."""

import argparse
import json
import time
from typing import TYPE_CHECKING, TextIO

from ganntk.cli.command import Commands, plain
from ganntk.errors import InputError

if TYPE_CHECKING:
    from ganntk.sampling import Trained


_INTERPOLATION_STEPS = 10


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser("sample", help="draw rows of a trained generator to Parquet")
    parser.set_defaults(command=plain(sample))
    parser.add_argument("run_uri", help="the folder of a run with coupling.type generator")
    parser.add_argument(
        "--step", type=int, help="of which checkpoint; what the run kept, else the newest"
    )
    parser.add_argument("--points", type=int, required=True, metavar="N", help="how many rows")
    parser.add_argument(
        "--to", metavar="URI", help="folder of Parquet parts; RUN_URI/generated without it"
    )
    parser.add_argument("--seed", type=int, help="of the codes; the run's own without it")
    parser.add_argument(
        "--first", type=int, default=0, metavar="I", help="number of the first row: to go on"
    )
    parser.add_argument("--batch", type=int, default=256, help="rows that are made at once")


def sample(options: argparse.Namespace, out: TextIO) -> None:
    """Draw rows into Parquet parts, and a picture of the ways between codes."""
    for name, least in (("points", 1), ("batch", 1), ("first", 0), ("seed", 0)):
        if (value := getattr(options, name)) is not None and value < least:
            raise InputError(f"--{name} is {value}: expected at least {least}")
    # Imported here: asking for help must not wait for JAX.
    from ganntk import report, sampling
    from ganntk.run_folder import RunFolder

    trained, seed = trained_of(options)
    seed = options.seed if options.seed is not None else seed
    uri = options.to or RunFolder(options.run_uri).path("generated")
    began = time.monotonic()
    parts = sampling.write_rows(
        trained, uri, options.points, seed=seed, first=options.first, batch=options.batch
    )
    seconds = time.monotonic() - began
    if len(trained.shown_shape) == 3:
        rows = sampling.interpolated(trained, seed=seed, steps=_INTERPOLATION_STEPS)
        RunFolder(options.run_uri).write_interpolations(rows, _INTERPOLATION_STEPS)
        report.write(options.run_uri)
    written = {
        "samples": uri,
        "parts": len(parts),
        "points": options.points,
        "step": trained.step,
        "seconds": round(seconds, 3),
        "images_per_second": round(options.points / seconds, 1),
    }
    out.write(json.dumps(written) + "\n")


def trained_of(options: argparse.Namespace) -> "tuple[Trained, int]":
    """The generator of a run, at the step that the options name, and the run's seed."""
    from ganntk import config, sampling
    from ganntk.coupling import Generator
    from ganntk.run_folder import CONFIG, RunFolder

    given = config.load(RunFolder.open(options.run_uri).path(CONFIG))
    if not isinstance(given.coupling, Generator):
        raise InputError(
            f"{options.run_uri} trained no generator, its points are in its `images`: sample a run "
            "with --coupling.type generator"
        )
    trained = sampling.load(
        options.run_uri, given.coupling.network, given.precision, given.data, options.step
    )
    return trained, given.seed
