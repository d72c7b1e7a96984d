"""The build step that compiles ganntk/kernels/native, for wheels and for editable installations.

Without a C compiler the package is built without it, and without CUDA's compiler (nvcc) without the
code for GPUs: kernels then run as XLA operations there.
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
CUDA_LIBRARY = FOLDER / "network.cuda.so"
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
CUDA_FLAGS = [
    "-O3",
    "-std=c++17",
    "-shared",
    # Code for the A100's generation and the H100's; others translate the first when it is loaded.
    "-gencode=arch=compute_75,code=compute_75",
    "-gencode=arch=compute_80,code=sm_80",
    "-gencode=arch=compute_90,code=sm_90",
    "--threads=0",
    "-Xcompiler=-fPIC,-fvisibility=hidden",
    # Square roots and quotients to an ulp instead of half of one: a third of the time.
    "-prec-sqrt=false",
    "-prec-div=false",
    # No toolkit is needed where the library runs.
    "-cudart=static",
]


class CustomBuildHook(BuildHookInterface):
    """Compile the library into the source tree, and take it into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects files."""
        del version
        cpu, cuda = build(Path(self.root)), build_cuda(Path(self.root))
        if cpu is not None:
            self.app.display_warning(f"kernels on CPUs will be slower: {cpu}")
        if cuda is not None:
            self.app.display_info(f"kernels on GPUs will be slower: {cuda}")
        made = [
            library.as_posix()
            for library, problem in ((LIBRARY, cpu), (CUDA_LIBRARY, cuda))
            if problem is None
        ]
        if not made:
            return
        build_data["artifacts"].extend(made)
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


def build_cuda(root: Path) -> str | None:
    """The same for NVIDIA GPUs."""
    problem = _compile_cuda(root)
    if problem is not None:
        (root / CUDA_LIBRARY).unlink(missing_ok=True)
    return problem


def _headers() -> Path | None:
    """Of XLA's custom calls."""
    found = importlib.util.find_spec("jaxlib")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "include"


_NO_HEADERS = "jaxlib, whose headers are needed, is not installed where the package is built"


def _compile_cuda(root: Path) -> str | None:
    library, headers = root / CUDA_LIBRARY, _headers()
    compiler = os.environ.get("NVCC") or shutil.which("nvcc")
    if not compiler:
        return "nvcc, CUDA's compiler, is not on PATH"
    if headers is None:
        return _NO_HEADERS
    partial = library.with_suffix(".part")
    sources = [str(path) for path in sorted((root / FOLDER).glob("*.cu"))]
    command = [compiler, *CUDA_FLAGS, f"-I{headers}", "-o", str(partial), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return f"{compiler} failed: {(done.stderr or done.stdout).strip()[-400:]}"
    partial.replace(library)
    return None


def _compile(root: Path) -> str | None:
    library = root / LIBRARY
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        return "there is no C compiler on PATH (Debian, Ubuntu: apt install gcc libc6-dev)"
    headers = _headers()
    if headers is None:
        return _NO_HEADERS
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
    problems = [make(Path(__file__).resolve().parent) for make in (build, build_cuda)]
    if problems[0]:
        sys.exit(problems[0])
