"""The folder of real data sets that the environment variable GANNTK_DATA names."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("GANNTK_DATA", ROOT.parent / "shared" / "data"))


def needs(name: str) -> pytest.MarkDecorator:
    """Skip a test where that folder has no such data set."""
    return pytest.mark.skipif(not (FOLDER / name).is_dir(), reason=f"needs GANNTK_DATA/{name}")


def uri(name: str) -> str:
    """The address of a data set."""
    return str(FOLDER / name)
