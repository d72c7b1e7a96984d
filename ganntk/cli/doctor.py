"""``ganntk doctor``: what works on this machine, and what is missing. Layer 8."""

import argparse
import importlib
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import TextIO

from ganntk import __version__, storage
from ganntk.cli.command import Commands
from ganntk.errors import InputError


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    is_well: bool
    subject: str
    sentence: str
    is_needed: bool = True


def add_to(commands: Commands) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "doctor", help="say what works on this machine and what is missing"
    )
    parser.set_defaults(command=_doctor)


def _doctor(options: argparse.Namespace, rest: list[str]) -> int:
    if rest:
        raise InputError(f"unexpected {' '.join(rest)!r}: see `ganntk --help`")
    return examine(sys.stdout)


def examine(out: TextIO) -> int:
    """Examine the machine; the exit status is 1 when something needed is missing."""
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _devices,
        _compiled_kernels,
        _kernels,
        _ray,
        _local_storage,
        lambda: _driver("s3", "s3fs"),
        lambda: _driver("gs", "gcsfs"),
    )
    findings = [check() for check in checks]
    for finding in findings:
        mark = "ok     " if finding.is_well else "MISSING" if finding.is_needed else "absent "
        out.write(f"{mark} {finding.subject:<10} {finding.sentence}\n")
    return int(any(f.is_needed and not f.is_well for f in findings))


def _python() -> Finding:
    free = shutil.disk_usage(os.getcwd()).free / 2**30
    return Finding(
        True,
        "machine",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {free:.0f} GiB free here, "
        f"ganntk {__version__}",
    )


def _devices() -> Finding:
    import jax

    try:
        devices = jax.devices()
        with jax.enable_x64(True):
            jax.numpy.linalg.eigh(jax.numpy.eye(2))[0].block_until_ready()
    except RuntimeError as error:
        return Finding(False, "devices", f"JAX {jax.__version__} cannot compute: {_line(error)}")
    names = ", ".join(f"{device.platform} {device.device_kind}" for device in devices)
    return Finding(
        True, "devices", f"JAX {jax.__version__} computes on {names}{_unused_gpu(names)}"
    )


def _unused_gpu(names: str) -> str:
    if "cpu" in names and shutil.which("nvidia-smi"):
        return "; there is an NVIDIA GPU: pip install 'ganntk[cuda]' to use it"
    return ""


def _compiled_kernels() -> Finding:
    import jax

    from ganntk.kernels import native

    on_gpu = jax.default_backend() == "gpu"
    device, compiler = ("GPUs", "nvcc of CUDA 12 or later") if on_gpu else ("CPUs", "a C compiler")
    if native.is_available():
        return Finding(True, "kernels", f"compiled code for networks on {device}")
    sentence = (
        f"the compiled code for {device} is not there, XLA does its work several times slower: "
        f"install {compiler}, then ganntk again"
    )
    return Finding(False, "kernels", sentence, is_needed=False)


def _kernels() -> Finding:
    from ganntk.kernels.stax import import_stax

    try:
        import_stax()
    except (ImportError, InputError) as error:
        return Finding(False, "kernels", f"neural_tangents.stax: {_line(error)}", is_needed=False)
    return Finding(True, "kernels", "neural_tangents.stax networks can be used")


def _ray() -> Finding:
    if importlib.util.find_spec("ray") is None:
        sentence = "not installed: runs work in this process only (cluster.address: none)"
        return Finding(False, "ray", sentence, is_needed=False)
    address = os.environ.get("RAY_ADDRESS")
    where = f"this process is in the cluster at {address}" if address else "no cluster around"
    return Finding(True, "ray", f"Ray {metadata.version('ray')}, {where}")


def _local_storage() -> Finding:
    with tempfile.TemporaryDirectory() as folder:
        uri = storage.join(folder, "probe")
        storage.write_text(uri, "probe")
        is_well = storage.read_text(uri) == "probe"
    return Finding(is_well, "storage", "local files can be written and read back")


def _driver(scheme: str, package: str) -> Finding:
    if importlib.util.find_spec(package) is None:
        sentence = f"{scheme}:// needs {package}: pip install 'ganntk[{scheme}]'"
        return Finding(False, "storage", sentence, is_needed=False)
    return Finding(True, "storage", f"{scheme}:// with {package} {metadata.version(package)}")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
