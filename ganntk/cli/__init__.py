"""The command ``ganntk``. Layer 8.

Exit status 0 when all is well, 2 when something given cannot be used, 1 when a run failed, 130 when
it was interrupted. Progress and errors go to standard error, results to standard output.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from ganntk import __version__, storage
from ganntk.cli import (
    dashboards,
    data,
    doctor,
    evaluate,
    experiment,
    export,
    runs,
    sample,
    sweep,
)
from ganntk.cli.command import Command
from ganntk.distributed.recovery import WorkerFailureError
from ganntk.errors import CheckpointError, InputError, NonFiniteObjectiveError

_log = logging.getLogger(__name__)

_DESCRIPTION = "Synthesise images from few images with neural tangent kernels."
_MODULES = (runs, evaluate, sample, export, sweep, experiment, data, dashboards, doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status."""
    known = parser()
    options, rest = known.parse_known_args(arguments)
    command: Command | None = options.command
    if command is None:
        known.print_help(sys.stderr)
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
    except (NonFiniteObjectiveError, CheckpointError, WorkerFailureError) as error:
        return _say(str(error), 1)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except BrokenPipeError:
        # Whoever reads the results has seen enough, as `head` has; Python would say so at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, *storage.driver_errors()) as error:
        _log.info("where it failed:", exc_info=True)
        text = " ".join(str(error).split()) or type(error).__name__
        return _say(f"files cannot be read or written ({text}): look at the disk or the store", 1)


def _say(sentence: str, status: int) -> int:
    sys.stderr.write(f"ganntk: {sentence}\n")
    return status


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    known = argparse.ArgumentParser(prog="ganntk", description=_DESCRIPTION, allow_abbrev=False)
    known.add_argument("--version", action="version", version=f"ganntk {__version__}")
    known.add_argument("--verbose", action="store_true", help="say more on standard error")
    known.set_defaults(command=None)
    commands = known.add_subparsers(title="commands", metavar="COMMAND")
    for module in _MODULES:
        module.add_to(commands)
    return known
