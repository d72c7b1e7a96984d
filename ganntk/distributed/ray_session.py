"""Connecting to Ray, or starting one on loopback for a single run and ending it. Layer 6.

Ray reads these variables when it is imported, so this module imports it inside its functions.
"""

import logging
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from ganntk.errors import InputError

_PROBE_SECONDS = 10.0

LOOPBACK = {
    # Without it Ray replaces 127.0.0.1 by the machine's address and listens to the network.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # A new local Ray would otherwise write a token into the home folder; it listens on loopback.
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # No line a second on the terminal where the progress bar is.
    "RAY_DEDUP_LOGS": "1",
}


def stay_on_loopback() -> None:
    """Set what a Ray of our own needs; without effect once Ray has been imported."""
    for name, value in LOOPBACK.items():
        os.environ.setdefault(name, value)


@contextmanager
def session(address: str) -> Iterator[None]:
    """Be connected to Ray inside the block.

    Args:
        address: ``local`` starts a Ray on loopback, in a temporary folder that is removed; anything
            else is passed to Ray, where ``auto`` is the cluster this process runs in.

    Raises:
        InputError: Ray is not installed, or nothing answers at the address.
    """
    if address == "local":
        with _local():
            yield
    else:
        with _connected(address):
            yield


@contextmanager
def _local() -> Iterator[None]:
    import ray

    # Not below the home folder, and short: sockets lie in it, whose paths have at most 107 bytes.
    folder = tempfile.mkdtemp(prefix="gk-")
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            configure_logging=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        _probe(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no Ray cluster answers at {address!r} ({' '.join(str(error).split())[:200]}): start "
            "one with `ray start --head`, or set cluster.address to local or none"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _probe(address: str) -> None:
    """Connect once: Ray itself would try for more than ten minutes where nothing listens."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=_PROBE_SECONDS).close()
