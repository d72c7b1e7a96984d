"""A real Prometheus on loopback, with the configuration of the project; and its HTTP interface."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from dashboards.build import FOLDER
from tests.distributed.loopback_head import wait_until

MISSING = "prometheus is not on PATH: Debian's package of that name has it"


class Prometheus:
    """A server that answers queries."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; what Prometheus says against a query is an AssertionError."""
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
        except OSError:
            return False
        return True

    def now(self, expr: str) -> list[Any]:
        """The answers to an instant query."""
        return self.get("/api/v1/query", query=expr)["result"]

    def samples(self, expr: str, *, seconds: float, is_instant: bool) -> int:
        """How many samples a panel gets that shows so many seconds."""
        if is_instant:
            return len(self.now(expr))
        end = time.time()
        found = self.get(
            "/api/v1/query_range",
            query=expr,
            start=f"{end - seconds:.3f}",
            end=f"{end:.3f}",
            step="10",
        )
        return sum(len(series["values"]) for series in found["result"])


@contextmanager
def running(folder: Path, discovery: Path, targets: Sequence[str]) -> Iterator[Prometheus]:
    """A Prometheus with dashboards/prometheus.yml, inside the block.

    Args:
        folder: for its data; removed by whoever made it.
        discovery: the file in which Ray lists its nodes.
        targets: scraped besides.
    """
    program = shutil.which("prometheus")
    assert program is not None, MISSING
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    (ray,) = config["scrape_configs"]
    ray["file_sd_configs"][0]["files"] = [str(discovery)]
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    # Twice as often as on a cluster, for a test of minutes.
    config["global"] = {"scrape_interval": "5s", "evaluation_interval": "5s"}
    config["scrape_configs"].append(
        {"job_name": "nvml", "static_configs": [{"targets": list(targets)}]}
    )
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    found = Prometheus(f"http://{address}")
    try:
        wait_until(found.is_ready, seconds=60)
        yield found
    finally:
        process.terminate()
        process.wait(timeout=60)
