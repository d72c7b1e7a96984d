"""What importing ganntk costs and needs. The layers themselves are held by `make lint`."""

import ast
import pkgutil
import subprocess
import sys

import ganntk
from tests.structure.sources import ROOT, shown, tree


def _run(program: str) -> str:
    """What a fresh interpreter prints: this one has imported too much to tell."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_ganntk_starts_nothing():
    program = """
import sys
import ganntk
from jax._src import xla_bridge
loaded = [name for name in ("ray", "tensorflow", "tf2jax", "matplotlib") if name in sys.modules]
print(loaded, xla_bridge.backends_are_initialized())
"""
    assert _run(program) == "[] False"


def test_only_workers_and_trials_need_ray():
    on_ray = {"pool", "population", "scheduling", "searching", "trial", "tuner"}
    needing = {"ganntk.distributed", *(f"ganntk.sweeps.{name}" for name in on_ray)}
    names = [
        found.name
        for found in pkgutil.walk_packages(ganntk.__path__, "ganntk.")
        if not any(f"{found.name}.".startswith(f"{name}.") for name in needing)
        and not found.name.endswith(".__main__")
    ]
    assert "ganntk.sweeps.tuning" in names
    _run(
        f"import sys, importlib; sys.modules['ray'] = None\n"
        f"for name in {names}: importlib.import_module(name)"
    )


def test_jobs_import_ganntk_and_the_standard_library_only():
    allowed = sys.stdlib_module_names | {"ganntk"}
    found = [
        f"{shown(path)}: {name}"
        for path in sorted((ROOT / "ray_jobs").glob("*.py"))
        for node in ast.walk(tree(path))
        for name in _imported(node)
        if name.split(".")[0] not in allowed
    ]
    assert found == []


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or "."] if isinstance(node, ast.ImportFrom) else []
