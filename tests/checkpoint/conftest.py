"""Stores that checkpoints are tested on."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.checkpoint.s3 import BUCKET, Proxy, served


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server."""
    with served() as url:
        yield url


@pytest.fixture
def proxy(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before it that `s3://` of this process goes through."""
    made = Proxy(s3_server)
    for name, value in environment(made.url).items():
        monkeypatch.setenv(name, value)
    forget_stores()
    yield made
    forget_stores()
    made.close()


@pytest.fixture
def s3_uri(proxy: Proxy, request: pytest.FixtureRequest) -> str:
    """A folder of its own on the server."""
    return f"s3://{BUCKET}/{abs(hash(request.node.nodeid))}"


def environment(url: str) -> dict[str, str]:
    """The usual variables of AWS's tools."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    }


def forget_stores() -> None:
    """File systems are cached by fsspec with the variables they were made under."""
    s3fs = pytest.importorskip("s3fs", reason="s3:// needs the extra s3")
    s3fs.S3FileSystem.clear_instance_cache()


def state(step: int, size: int = 100) -> dict[str, object]:
    """Something to save that knows its step."""
    numbers = np.random.default_rng(step)
    return {"points": numbers.normal(size=(size, 3)), "count": np.int32(step), "lam": 0.5 * step}
