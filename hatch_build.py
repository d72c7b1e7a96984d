"""The build step that compiles ganntk/kernels/native, for wheels and for editable installations.

Without a C compiler the package is built without it: kernels then run as XLA operations everywhere.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("ganntk/kernels/native")
LIBRARY = FOLDER / "network.native.so"
FLAGS = [
    "-O3",
    "-std=gnu11",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    # A square root sets no errno and a division traps nothing: without this nothing vectorises.
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wno-psabi",
]


class CustomBuildHook(BuildHookInterface):
    """Compile the library into the source tree, and take it into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        del version
        problem = build(Path(self.root))
        if problem is not None:
            self.app.display_warning(f"kernels on CPUs will be slower: {problem}")
            return
        build_data["artifacts"].append(LIBRARY.as_posix())
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"


def build(root: Path) -> str | None:
    """Compile the library; what went wrong, in a sentence, or None.

    Where it cannot be compiled an older one is removed: none is better than one of other sources.
    """
    problem = _compile(root)
    if problem is not None:
        (root / LIBRARY).unlink(missing_ok=True)
    return problem


def _compile(root: Path) -> str | None:
    library = root / LIBRARY
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        return "there is no C compiler on PATH (Debian, Ubuntu: apt install gcc libc6-dev)"
    found = importlib.util.find_spec("jaxlib")
    if found is None or not found.submodule_search_locations:
        return "jaxlib, whose headers are needed, is not installed where the package is built"
    headers = Path(found.submodule_search_locations[0]) / "include"
    sources = [str(path) for path in sorted((root / FOLDER).glob("*.c"))]
    partial = library.with_suffix(".part")
    command = [*compiler.split(), *FLAGS, f"-I{headers}", "-o", str(partial), *sources]
    done = None
    # A compiler that knows no variants by processor compiles for the plainest one.
    for variant in ([], ["-DONE_TARGET"]):
        done = subprocess.run(
            [*command, *variant, "-lm", "-pthread"], capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            partial.replace(library)
            return None
    return f"{compiler} failed: {done.stderr.strip()[-400:] if done else ''}"


if __name__ == "__main__":
    if problem := build(Path(__file__).resolve().parent):
        sys.exit(problem)
