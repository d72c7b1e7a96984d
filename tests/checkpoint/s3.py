"""A real S3 server on loopback, and a proxy before it that fails on demand."""

import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

BUCKET = "runs"
HANG = -1
SLOW = -2


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def served() -> Iterator[str]:
    """moto's S3 server, as a person starts it: ``moto_server -H 127.0.0.1 -p PORT``."""
    pytest.importorskip("moto", reason="the S3 server of the tests is moto: make env")
    port = free_port()
    program = os.path.join(os.path.dirname(sys.executable), "moto_server")
    server = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
                break
            assert server.poll() is None, "moto_server ended"
            time.sleep(0.25)
        request = urllib.request.Request(f"{url}/{BUCKET}", method="PUT")
        with urllib.request.urlopen(request, timeout=30):
            yield url
    finally:
        server.terminate()
        server.wait(10)


@dataclass
class Fault:
    """Answers to some requests that are not those of the server.

    Attributes:
        method: of the requests.
        path: pattern that their path holds.
        status: of the answer; 0 closes the connection without one, HANG never answers, and
            SLOW is the server's own answer after a while.
        times: how many requests.
        seconds: the while.
    """

    method: str
    path: str
    status: int
    times: int
    seconds: float = 0.0
    seen: int = field(default=0)

    def hits(self, method: str, path: str) -> bool:
        if method != self.method or not re.search(self.path, path) or self.seen >= self.times:
            return False
        self.seen += 1
        return True


class Proxy:
    """Passes requests on to a server, but for its faults."""

    def __init__(self, target: str) -> None:
        self.faults: list[Fault] = []
        self._is_closed = threading.Event()
        self._target = target.removeprefix("http://")
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *arguments: object) -> None:
                """Say nothing."""

            def handle_one(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(
        self, method: str, path: str, status: int, times: int = 10**6, seconds: float = 0.0
    ) -> Fault:
        """Answer so many of the requests with a status."""
        fault = Fault(method, path, status, times, seconds)
        self.faults.append(fault)
        return fault

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Fail, or ask the server."""
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        for fault in self.faults:
            if fault.hits(handler.command, handler.path):
                if fault.status == SLOW:
                    self._is_closed.wait(fault.seconds)
                    break
                if fault.status == HANG:
                    self._is_closed.wait(60)
                if fault.status <= 0:
                    handler.close_connection = True
                    with contextlib.suppress(OSError):
                        handler.connection.shutdown(socket.SHUT_RDWR)
                    return
                handler.send_response(fault.status)
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
        there = http.client.HTTPConnection(self._target, timeout=60)
        headers = {k: v for k, v in handler.headers.items() if k.lower() != "expect"}
        there.request(handler.command, handler.path, body=body, headers=headers)
        answer = there.getresponse()
        content = answer.read()
        handler.send_response(answer.status)
        for key, value in answer.getheaders():
            if key.lower() not in (
                "transfer-encoding",
                "connection",
                "content-length",
                "date",
                "server",
            ):
                handler.send_header(key, value)
        is_head = handler.command == "HEAD"
        size = answer.getheader("Content-Length") or "0" if is_head else str(len(content))
        handler.send_header("Content-Length", size)
        handler.end_headers()
        if not is_head:
            handler.wfile.write(content)
        there.close()

    def close(self) -> None:
        """End."""
        self._is_closed.set()
        self._server.shutdown()
        self._server.server_close()
