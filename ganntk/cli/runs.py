"""``ganntk synthesize``, ``resume`` and ``report``: one run. Layer 8."""

import argparse
import json
from typing import TextIO

from ganntk.cli.command import Commands, plain, worded


def add_to(commands: Commands) -> None:
    """Declare the commands."""
    started = commands.add_parser(
        "synthesize",
        help="synthesise rows, and leave a run folder with a report",
        usage="ganntk synthesize [--config FILE] [--a.b VALUE]...",
        epilog="Every key of the configuration is an option, such as --steps 1000 or --lam 5.12.",
        allow_abbrev=False,
    )
    started.add_argument("--config", metavar="FILE", help="YAML file, on any storage")
    started.set_defaults(command=worded(_synthesize))

    resumed = commands.add_parser(
        "resume",
        help="go on with a run from its last checkpoint",
        usage="ganntk resume RUN_URI [--steps N] [--a.b VALUE]...",
        epilog="Options may change steps, cluster, checkpoints, report_every and sample_every.",
        allow_abbrev=False,
    )
    resumed.add_argument("run_uri", help="the run's folder, on any storage")
    resumed.set_defaults(command=worded(_resume))

    drawn = commands.add_parser("report", help="draw report.html of a run folder again")
    drawn.add_argument("run_uri", help="the run's folder, on any storage")
    drawn.set_defaults(command=plain(_report))


def _synthesize(options: argparse.Namespace, overrides: list[str], out: TextIO) -> None:
    # Imported here: asking for help must not wait for JAX.
    from ganntk import config
    from ganntk.cli.progress import progress
    from ganntk.distributed import run

    configuration = config.load(options.config, overrides)
    with progress() as shown:
        result = run(configuration, shown)
    out.write(json.dumps(vars(result)) + "\n")


def _resume(options: argparse.Namespace, overrides: list[str], out: TextIO) -> None:
    from ganntk import config
    from ganntk.cli.progress import progress
    from ganntk.distributed import resume
    from ganntk.run_folder import CONFIG, RunFolder

    given = RunFolder.open(options.run_uri).path(CONFIG)
    configuration = config.load(given, [*overrides, "--run_uri", options.run_uri])
    with progress() as shown:
        result = resume(configuration, shown)
    out.write(json.dumps(vars(result)) + "\n")


def _report(options: argparse.Namespace, out: TextIO) -> None:
    from ganntk import report

    out.write(report.write(options.run_uri) + "\n")
