"""A Ray head on this machine's loopback interface: started as by hand, with a token, for tests."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from tests.structure.sources import ROOT

# In the environment of all that the head starts: jobs leave its session and process group.
_MARK = "GANNTK_TEST_HEAD"


class Head:
    """A head node that runs.

    Attributes:
        address: where jobs are submitted.
        cluster_address: where drivers connect.
        environment: of a person who may use it.
        home: that person's home folder.
        session: where Ray keeps its logs and what jobs brought.
        token: what has to be shown.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._mark = folder, uuid.uuid4().hex
        self._log = folder / "head.log"
        self._seen: set[psutil.Process] = set()
        # Short: sockets lie in it, whose paths have at most 107 bytes.
        self.session = Path(tempfile.mkdtemp(prefix="gkj-"))
        self.home = folder / "home"
        self.home.mkdir()
        self.environment = self._environment()
        self.token = self.ray("get-auth-token", "--generate").stdout
        port, dashboard, *others = _free_ports(5)
        self.cluster_address = f"127.0.0.1:{port}"
        self.address = f"http://127.0.0.1:{dashboard}"
        self._process = self._start(port, dashboard, *others)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        return kept | {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            # Without it Ray replaces 127.0.0.1 by the machine's address and listens to the network.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
            # The report draws with matplotlib, which keeps its list of fonts at home.
            "MPLCONFIGDIR": str(self._folder / "matplotlib"),
            "TMPDIR": str(self.session),
            _MARK: self._mark,
        }

    def _start(self, *ports: int) -> subprocess.Popen[bytes]:
        names = (
            "--port",
            "--dashboard-port",
            "--dashboard-agent-listen-port",
            "--metrics-export-port",
            "--ray-client-server-port",
        )
        where = [f"{name}={port}" for name, port in zip(names, ports, strict=True)]
        words = ["ray", "start", "--head", "--block", "--node-ip-address=127.0.0.1", *where]
        words += ["--dashboard-host=127.0.0.1", f"--temp-dir={self.session}"]
        words += ["--num-cpus=2", "--num-gpus=0", "--object-store-memory=100000000"]
        with self._log.open("wb") as log:
            # A session of its own: Ctrl-C of the tests must not reach it before they end it.
            return subprocess.Popen(
                words,
                cwd=self._folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Wait until jobs can be submitted."""

        def answers() -> bool:
            assert self._process.poll() is None, self._log.read_text(encoding="utf-8")[-3000:]
            return self.status("/api/version") == 200

        wait_until(answers, seconds=120)

    def ray(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a command of Ray as a person at the root of the repository."""
        return subprocess.run(
            ["ray", *words],
            cwd=ROOT,
            env=self.environment | changes,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )

    def get(self, path: str, token: str | None = None) -> Any:
        """What the head's HTTP interface answers."""
        header = {"Authorization": f"Bearer {self.token if token is None else token}"}
        request = urllib.request.Request(self.address + path, headers=header if token != "" else {})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def status(self, path: str, token: str | None = None) -> int:
        """The HTTP status of an answer, or 0 where nothing answers."""
        try:
            self.get(path, token)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0
        return 200

    def logs(self, job: str) -> list[str]:
        """The lines that a job wrote."""
        return self.get(f"/api/jobs/{job}/logs")["logs"].splitlines()

    def processes(self) -> dict[int, str]:
        """Command lines by number of all that was started here or in jobs, and is alive."""
        marked = [process for process in psutil.process_iter() if self._is_marked(process)]
        self._seen.update(marked)
        for process in marked:
            with contextlib.suppress(psutil.Error):
                # Workers have written their titles over their environment.
                self._seen.update(process.children(recursive=True))
        found = {}
        for process in self._seen:
            with contextlib.suppress(psutil.Error):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = " ".join(process.cmdline())
        return found

    def _is_marked(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == self._mark
        except psutil.Error:
            return False

    def listening(self) -> set[str]:
        """The addresses that these processes listen on."""
        mine = self.processes()
        connections = psutil.net_connections("inet")
        return {c.laddr.ip for c in connections if c.status == "LISTEN" and c.pid in mine}

    def end(self) -> None:
        """End the head as a service manager does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=60)

    def remove(self) -> None:
        """End the head and what it left, by number."""
        try:
            self.end()
        finally:
            for number in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            # They write there to the last.
            wait_until(lambda: not self.processes(), seconds=20)
            shutil.rmtree(self.session, ignore_errors=True)


def wait_until(is_true: Callable[[], bool], *, seconds: float) -> None:
    """Ask again and again; fail after some time."""
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, f"not true after {seconds:g} s"
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    # All at once, or the system might give one twice.
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for free in sockets:
            free.bind(("127.0.0.1", 0))
        return [free.getsockname()[1] for free in sockets]
