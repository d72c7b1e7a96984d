"""Connecting to Ray, or starting one on loopback for a single run and ending it. Layer 6.

Ray reads these variables when it is imported, so this module imports it inside its functions.
"""

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ganntk.errors import InputError

_PROBE_SECONDS = 10.0

LOOPBACK = {
    # Without it Ray replaces 127.0.0.1 by the machine's address and listens to the network.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # No line a second on the terminal where the progress bar is.
    "RAY_DEDUP_LOGS": "1",
}


def stay_on_loopback() -> None:
    """Set what a Ray of our own needs: before Ray is imported, or some of it has no effect."""
    for name, value in LOOPBACK.items():
        os.environ.setdefault(name, value)
    # Whoever else works on this machine reaches loopback too. Ray alone would write its token into
    # the home folder, and take another one from there.
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # A Ray that has been imported turns authentication on by itself, and only where this is unset.
    if "ray" not in sys.modules:
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextmanager
def session(address: str) -> Iterator[None]:
    """Be connected to Ray inside the block.

    Args:
        address: ``local`` starts a Ray on loopback, in a temporary folder that is removed; anything
            else is passed to Ray, where ``auto`` is the cluster this process runs in.

    Raises:
        InputError: nothing answers at the address, or it asks for another token.
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
        with _own_signals():
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
    from ray.exceptions import AuthenticationError

    if ray.is_initialized():
        yield
        return
    is_there = False
    try:
        is_there = _listens(address)
        with _own_signals():
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (AuthenticationError, OSError, ValueError) as error:
        said = " ".join(str(error).split()).partition(". ")[0][:200]
        if is_there or isinstance(error, AuthenticationError):
            raise InputError(
                f"the Ray cluster at {address!r} did not let this process in ({said}): set "
                "RAY_AUTH_MODE=token with the cluster's token in ~/.ray/auth_token, and use the "
                f"cluster's version of Ray, here {ray.__version__}"
            ) from error
        raise InputError(
            f"no Ray cluster answers at {address!r} ({said}): start one with `ray start --head`, "
            "or set cluster.address to local or none"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep our handler of SIGTERM: Ray puts one of its own in its place, which only exits."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        # None: somebody else's, set from C.
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _listens(address: str) -> bool:
    """Connect once: Ray itself would try for more than ten minutes where nothing listens.

    Raises:
        OSError: nothing listens there.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdigit()):
        return False  # a word such as auto: Ray knows where
    socket.create_connection((host, int(port)), timeout=_PROBE_SECONDS).close()
    return True
