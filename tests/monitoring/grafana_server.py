"""An HTTP server on loopback that answers as Grafana's API does, and keeps what was asked."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any]


@dataclass
class FakeGrafana:
    """Folders, data sources and dashboards by their uid.

    Attributes:
        token: what has to be shown.
        calls: method and path of every request.
        trouble: for a method and a path, an answer instead of the usual one.
        slow: seconds before every answer.
    """

    token: str = "glsa_0123456789abcdef"
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    trouble: Callable[[str, str], Answer | None] = lambda method, path: None
    slow: float = 0.0

    @property
    def writes(self) -> list[str]:
        """The requests that change something."""
        return [call for call in self.calls if not call.startswith("GET")]

    def answer(self, method: str, path: str, header: str | None, body: Any) -> Answer:
        """Status and body for a request."""
        self.calls.append(f"{method} {path}")
        time.sleep(self.slow)
        if (trouble := self.trouble(method, path)) is not None:
            return trouble
        if header != f"Bearer {self.token}":
            return 401, {"message": "Invalid API key"}
        name = path.removeprefix("/api/").partition("?")[0]
        kind, _, rest = name.partition("/")
        known = {"folders": self._folders, "datasources": self._sources, "dashboards": self._boards}
        return known[kind](method, rest, body) if kind in known else (404, {"message": "Not found"})

    def _folders(self, method: str, rest: str, body: Any) -> Answer:
        if method == "GET":
            return 200, list(self.folders.values())
        titles = {each["title"] for each in self.folders.values()}
        if body["uid"] in self.folders or body["title"] in titles:
            # What Grafana says of a uid, and of a title, that is taken.
            return (412 if body["uid"] in self.folders else 409), {"message": "it is there already"}
        self.folders[body["uid"]] = body
        return 200, body

    def _sources(self, method: str, rest: str, body: Any) -> Answer:
        uid = rest.removeprefix("uid/")
        if method == "GET":
            found = self.sources.get(uid)
            return (404, {"message": "Data source not found"}) if found is None else (200, found)
        # Grafana adds numbers of its own.
        self.sources[body["uid"]] = {"id": 7, "orgId": 1, "readOnly": False, **body}
        return 200, {"message": "Datasource added"}

    def _boards(self, method: str, rest: str, body: Any) -> Answer:
        if method == "GET":
            found = self.boards.get(rest.removeprefix("uid/"))
            return (404, {"message": "Dashboard not found"}) if found is None else (200, found)
        board = body["dashboard"]
        before = self.boards.get(board["uid"])
        if before is not None and not body.get("overwrite"):
            return 412, {"message": "The dashboard has been changed by someone else"}
        version = before["dashboard"]["version"] + 1 if before else 1
        self.boards[board["uid"]] = {
            "meta": {"folderUid": body["folderUid"]},
            "dashboard": {**board, "id": 11, "version": version},
        }
        return 200, {"status": "success", "uid": board["uid"]}


@contextmanager
def serving(grafana: FakeGrafana) -> Iterator[str]:
    """The address where a Grafana answers inside the block."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            header = self.headers.get("Authorization")
            status, content = grafana.answer(self.command, self.path, header, body)
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):  # somebody was tired of waiting
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - the base class's names

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
