"""The command ``ganntk``. Layer 7.

Exit status 0 when all is well, 2 when something given cannot be used, 1 when a run failed, 130 when
it was interrupted. Progress and errors go to standard error, results to standard output.
"""

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Callable, Sequence

from ganntk import __version__
from ganntk.cli import data, evaluate, export
from ganntk.errors import CheckpointError, InputError, NonFiniteObjectiveError

_DESCRIPTION = "Synthesise images from few images with neural tangent kernels."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    command: Callable[[argparse.Namespace, list[str]], int] | None = options.command
    if command is None:
        parser.print_help(sys.stderr)
        return 2
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr, format="%(message)s")
    if threading.current_thread() is threading.main_thread():
        # What `ray job stop` and service managers send: end as after Ctrl-C, with the workers.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return command(options, rest)
    except InputError as error:
        return _say(str(error), 2)
    except (NonFiniteObjectiveError, CheckpointError) as error:
        return _say(str(error), 1)
    except KeyboardInterrupt:
        return _say("interrupted", 130)


def _say(sentence: str, status: int) -> int:
    sys.stderr.write(f"ganntk: {sentence}\n")
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ganntk", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"ganntk {__version__}")
    parser.add_argument("--verbose", action="store_true", help="say more on standard error")
    parser.set_defaults(command=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    synthesize = commands.add_parser(
        "synthesize",
        help="synthesise rows, and leave a run folder with a report",
        usage="ganntk synthesize [--config FILE] [--a.b VALUE]...",
        epilog="Every key of the configuration is an option, such as --steps 1000 or --lam 5.12.",
        allow_abbrev=False,
    )
    synthesize.add_argument("--config", metavar="FILE", help="YAML file, on any storage")
    synthesize.set_defaults(command=_synthesize)

    resume = commands.add_parser(
        "resume",
        help="go on with a run from its last checkpoint",
        usage="ganntk resume RUN_URI [--steps N] [--a.b VALUE]...",
        epilog="Options may change steps, cluster, checkpoints, report_every and sample_every.",
        allow_abbrev=False,
    )
    resume.add_argument("run_uri", help="the run's folder, on any storage")
    resume.set_defaults(command=_resume)

    evaluation = commands.add_parser(
        "evaluate",
        help="measure a run's rows beside training, held-out and noisy rows",
        allow_abbrev=False,
    )
    evaluate.add_options(evaluation)
    evaluation.set_defaults(command=_evaluate)

    data.add_commands(commands.add_parser("data", help="describe a source, or convert it"))

    report = commands.add_parser("report", help="draw report.html of a run folder again")
    report.add_argument("run_uri", help="the run's folder, on any storage")
    report.set_defaults(command=_report)

    export.add_options(commands.add_parser("export", help="the rows of a run as files to open"))

    doctor = commands.add_parser(
        "doctor", help="say what works on this machine and what is missing"
    )
    doctor.set_defaults(command=_doctor)
    return parser


def _synthesize(options: argparse.Namespace, overrides: list[str]) -> int:
    # Imported here: asking for help must not wait for JAX.
    from ganntk import config
    from ganntk.cli.progress import progress
    from ganntk.distributed import run

    configuration = config.load(options.config, overrides)
    with progress() as shown:
        result = run(configuration, shown)
    sys.stdout.write(json.dumps(vars(result)) + "\n")
    return 0


def _resume(options: argparse.Namespace, overrides: list[str]) -> int:
    from ganntk import config
    from ganntk.cli.progress import progress
    from ganntk.distributed import resume
    from ganntk.run_folder import CONFIG, RunFolder

    given = RunFolder.open(options.run_uri).path(CONFIG)
    configuration = config.load(given, [*overrides, "--run_uri", options.run_uri])
    with progress() as shown:
        result = resume(configuration, shown)
    sys.stdout.write(json.dumps(vars(result)) + "\n")
    return 0


def _evaluate(options: argparse.Namespace, rest: list[str]) -> int:
    _refuse(rest)
    evaluate.evaluate(options, sys.stdout)
    return 0


def _report(options: argparse.Namespace, rest: list[str]) -> int:
    from ganntk import report

    _refuse(rest)
    sys.stdout.write(report.write(options.run_uri) + "\n")
    return 0


def _doctor(options: argparse.Namespace, rest: list[str]) -> int:
    from ganntk.cli.doctor import examine

    _refuse(rest)
    return examine(sys.stdout)


def _refuse(rest: list[str]) -> None:
    if rest:
        raise InputError(f"unexpected {' '.join(rest)!r}: see `ganntk --help`")
