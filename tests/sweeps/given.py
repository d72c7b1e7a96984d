"""Sweeps that tests share: tiny runs of the digits."""

from collections.abc import Mapping
from typing import Any

import yaml

from ganntk import config
from ganntk.sweeps import settings
from ganntk.sweeps.settings import SweepConfig

RUN = {
    "data": {"type": "digits", "size": 12},
    "kernel": "fnn",
    "lam": 1.0,
    "points": {"count": 8},
    "steps": 20,
    "report_every": 5,
    "sample_every": 10,
    "checkpoints": {"every": 5},
}
SPACE = {"lam.value": {"type": "log_uniform", "low": 0.1, "high": 10.0}}


def sweep_of(uri: Any, **changes: Any) -> SweepConfig:
    """A sweep in a folder."""
    raw: dict[str, Any] = {"space": SPACE, "sweep_uri": str(uri), **changes}
    run = config.changed(RUN, raw.pop("run", {}))
    return config.decode_as(SweepConfig, raw | {"run": run})


def written(path: Any, **changes: Any) -> str:
    """The same as a file for `ganntk sweep --config`."""
    text = settings.dump(sweep_of("runs/sweep-{time}", **changes))
    path.write_text(text, encoding="utf-8")
    return str(path)


def choices(key: str, *values: Any) -> Mapping[str, Any]:
    """A space of one choice."""
    return {key: {"type": "choice", "among": list(values)}}


def reload(sweep: SweepConfig) -> SweepConfig:
    """A sweep after a round trip through its file."""
    return config.decode_as(SweepConfig, yaml.safe_load(settings.dump(sweep)))
