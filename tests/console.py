"""The commands that documents tell a person to type, so that tests can hold documents to them."""

import re
import shlex
from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(document: Path) -> list[list[str]]:
    """The words of every command in the document, in order.

    In Markdown those of its ```console blocks; in other files those of comments that are indented
    by three spaces.
    """
    text = document.read_text(encoding="utf-8")
    if document.suffix == ".md":
        blocks = "\n".join(_BLOCK.findall(text))
    else:
        blocks = "\n".join(re.findall(r"^#   (.*)$", text, re.MULTILINE))
    lines = blocks.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def commands_of(document: Path, *beginning: str) -> list[list[str]]:
    """Those that begin with these words."""
    found = commands(document)
    return [words for words in found if words[: len(beginning)] == list(beginning)]
