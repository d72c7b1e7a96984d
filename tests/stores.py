"""Places that tests of storage write to."""

import secrets

import pytest


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    """A folder of its own, on this disk or in memory."""
    return str(tmp_path / "run") if request.param == "local" else f"memory://{secrets.token_hex(8)}"
