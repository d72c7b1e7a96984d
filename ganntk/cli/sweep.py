"""``ganntk sweep``: many runs on a cluster, towards the best configuration. Layer 8."""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from ganntk.cli.command import Commands, worded
from ganntk.errors import InputError


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "sweep",
        help="run many configurations on a cluster, and say which is best",
        usage="ganntk sweep --config FILE [--a.b VALUE]... | ganntk sweep --resume SWEEP_URI",
        epilog="Options change the sweep, as --budget.trials 40, or its runs, as --run.steps 200.",
        allow_abbrev=False,
    )
    parser.set_defaults(command=worded(sweep))
    parser.add_argument("--config", metavar="FILE", help="YAML file of a sweep, on any storage")
    parser.add_argument(
        "--resume", metavar="SWEEP_URI", help="go on with a sweep whose driver ended, in its folder"
    )


def sweep(options: argparse.Namespace, overrides: Sequence[str], out: TextIO) -> None:
    """Carry a sweep out, or go on with one; the last line is its result."""
    # Imported here: asking for help must not wait for JAX.
    from ganntk import sweeps

    if (options.config is None) == (options.resume is None):
        raise InputError("give either --config FILE for a new sweep or --resume SWEEP_URI")
    if options.resume is not None:
        result = sweeps.resume(options.resume, Lines(), overrides)
    else:
        result = sweeps.run(sweeps.load(options.config, overrides), Lines())
    out.write(json.dumps(vars(result)) + "\n")


class Lines:
    """A line for each phase and each start and end of a trial, on standard error."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def phase(self, sentence: str) -> None:
        """Write what began."""
        self._write(sentence)

    def trials(self, counts: Mapping[Any, int], total: int, best: str) -> None:
        """Write how many trials are where."""
        said = ", ".join(f"{n} {state.value.lower()}" for state, n in counts.items() if n)
        self._write(f"trials of {total}: {said}{'; ' + best if best else ''}")

    def shared(self, made: int, found: int) -> None:
        """Write what sharing saved."""
        self._write(f"shared among trials: {made} values computed, {found} times found")

    def _write(self, text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - self._start:6.1f} s] {text}\n")
        sys.stderr.flush()
