"""Files that can be read in one sitting, with names that say what they hold."""

import ast
from collections.abc import Iterator

from tests.structure.sources import ROOT, entries, modules, shown, tree

LONGEST_MODULE_LINES = 400
LONGEST_FUNCTION_LINES = 60
LONGEST_JOB_LINES = 40
NAMES_THAT_SAY_NOTHING = {"common", "core", "helpers", "utils"}


def _long_functions() -> Iterator[str]:
    for path in modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION_LINES:
                    yield f"{shown(path)}:{node.lineno} {node.name}: {lines} lines"


def _lines_above(limit: int, paths: list) -> dict[str, int]:
    lines = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    return {name: count for name, count in lines.items() if count > limit}


def test_no_module_is_too_long_to_read():
    assert _lines_above(LONGEST_MODULE_LINES, modules()) == {}


def test_no_function_is_too_long_to_read():
    assert list(_long_functions()) == []


def test_a_job_only_hands_its_arguments_to_ganntk():
    assert _lines_above(LONGEST_JOB_LINES, list((ROOT / "ray_jobs").glob("*.py"))) == {}


def test_every_name_says_what_it_holds():
    found = [shown(path) for path in entries() if path.stem.strip("_") in NAMES_THAT_SAY_NOTHING]
    assert found == []
