"""What all commands have in common. Layer 8."""

import argparse
import sys
from collections.abc import Callable
from typing import Any, TextIO, TypeAlias

from ganntk.errors import InputError

Command: TypeAlias = Callable[[argparse.Namespace, list[str]], int]
"""Takes the options it declared and the words that are left, and gives the exit status."""

Commands: TypeAlias = "argparse._SubParsersAction[Any]"


def plain(command: Callable[[argparse.Namespace, TextIO], None]) -> Command:
    """A command that takes no further words and writes to standard output."""

    def carry_out(options: argparse.Namespace, rest: list[str]) -> int:
        if rest:
            raise InputError(f"unexpected {' '.join(rest)!r}: see `ganntk --help`")
        command(options, sys.stdout)
        return 0

    return carry_out


def worded(command: Callable[[argparse.Namespace, list[str], TextIO], None]) -> Command:
    """A command that takes keys of a configuration as options, ``--a.b value``."""

    def carry_out(options: argparse.Namespace, rest: list[str]) -> int:
        command(options, rest, sys.stdout)
        return 0

    return carry_out
