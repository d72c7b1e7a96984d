"""`make env` works on a bare machine, and what it installs is pinned and lean."""

import importlib.metadata
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.structure.sources import ROOT

TOOLS = ("cat", "cksum", "cut", "dirname", "paste", "rm", "sh", "sort", "tr")
NOT_A_PYTHON = "exit 127\n"
# Answers as a Python 3.11 that has the modules $HAS and no others.
BARE_PYTHON = """case "$2" in
  "import sys; sys.exit"*) exit 0 ;;
  "import sys; print"*) echo 3.11 ;;
  "import "*) case " $HAS " in *" ${2#import } "*) exit 0 ;; *) exit 1 ;; esac ;;
  *) echo "started $*" >&2; exit 9 ;;
esac
"""


def _pins() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.strip()]


@pytest.fixture
def bare(tmp_path: Path):
    """Run environment.sh in a copy of the repository where PATH holds what `programs` names."""

    def run(programs: dict[str, str], **variables: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "scripts").mkdir()
        for name in ("scripts/environment.sh", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, tmp_path / name)
        path = tmp_path / "bin"
        path.mkdir()
        for name in TOOLS:
            (path / name).symlink_to(str(shutil.which(name)))
        for name, body in programs.items():
            (path / name).write_text(f"#!{path / 'sh'}\n{body}", encoding="utf-8")
            (path / name).chmod(0o755)
        return subprocess.run(
            [str(path / "sh"), str(tmp_path / "scripts/environment.sh")],
            env={"PATH": str(path), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_every_constraint_is_one_exact_version_of_no_particular_place():
    pin = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+( ; [^/@]+)?")
    assert [line for line in _pins() if not pin.fullmatch(line)] == []


def test_every_declared_tool_is_pinned():
    pinned = {line.split("==")[0] for line in _pins()}
    assert {"hatchling", "jax", "pyright", "pytest", "ray", "ruff", "uv"} <= pinned


def test_tensorflow_is_neither_pinned_nor_installed():
    unwanted = {"tensorflow", "tensorflow-cpu", "tf2jax"}
    installed = {found.metadata["Name"].lower() for found in importlib.metadata.distributions()}
    assert unwanted & installed == set()
    assert unwanted & {line.split("==")[0] for line in _pins()} == set()


def test_a_machine_without_python_is_told_what_to_install(bare):
    done = bare({})
    assert done.returncode == 1
    assert done.stderr.startswith("env: no Python 3.11 to 3.13 on PATH: install one")
    assert done.stderr.count("\n") == 1


def test_a_name_on_path_that_does_not_run_is_passed_over(bare):
    done = bare({"python3.12": NOT_A_PYTHON, "python3.11": BARE_PYTHON}, HAS="venv ensurepip")
    assert "making .venv with Python 3.11" in done.stdout
    assert "started -m venv .venv" in done.stderr


def test_a_python_without_ensurepip_lends_its_pip(bare):
    done = bare({"python3": BARE_PYTHON}, HAS="venv pip")
    assert "started -m venv --without-pip .venv" in done.stderr


def test_a_python_without_ensurepip_and_pip_is_told_what_to_install(bare):
    done = bare({"python3": BARE_PYTHON}, HAS="venv")
    assert done.returncode == 1
    assert "has no ensurepip and no pip: install them" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_python_that_was_asked_for_and_does_not_run_is_an_error(bare):
    done = bare({"python3": BARE_PYTHON}, HAS="venv ensurepip", PYTHON=f"python{os.sep}none")
    assert done.returncode == 1
    assert "PYTHON=python/none does not run as Python 3.11 to 3.13" in done.stderr
