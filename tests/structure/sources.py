"""The files of the repository, as the structure tests see them."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_SOURCES = {"__pycache__", "build", "dist", "runs", "site"}


def entries(folder: Path = ROOT) -> Iterator[Path]:
    """Every file and folder below `folder` that could be committed."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in NOT_SOURCES or path.suffix == ".egg-info":
            continue
        yield path
        if path.is_dir():
            yield from entries(path)


def modules() -> list[Path]:
    """Every Python file."""
    return [path for path in entries() if path.suffix == ".py"]


def tree(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def shown(path: Path) -> str:
    """The path as a message names it."""
    return path.relative_to(ROOT).as_posix()
