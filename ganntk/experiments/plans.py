"""Plans of experiments: YAML files with a run at several scales. Layer 7."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ganntk import config, storage
from ganntk.config import RunConfig
from ganntk.errors import InputError
from ganntk.experiments.base import Experiment
from ganntk.registry import unknown_name

_KEYS = ("title", "experiment", "published", "run", "scales")


@dataclass(frozen=True)
class Plan:
    """An experiment at one scale.

    Attributes:
        title: what it is, and where it stands in the paper.
        published: what the paper says, a sentence or a table in Markdown.
        experiment: what is measured.
        run: of what.
    """

    title: str
    published: str
    experiment: Experiment
    run: RunConfig


def load(uri: str, scale: str, overrides: Sequence[str] = ()) -> Plan:
    """Read a plan.

    Args:
        uri: the YAML file.
        scale: one of its `scales`, whose `experiment` and `run` are laid over the common ones.
        overrides: words of a command line, for the run.

    Raises:
        InputError: the file is missing, a key is unknown, or it has no such scale.
    """
    raw = yaml.safe_load(storage.read_text(uri))
    if not isinstance(raw, Mapping) or "experiment" not in raw or "scales" not in raw:
        raise InputError(f"{uri} is no plan of an experiment: it needs {', '.join(_KEYS)}")
    for key in raw:
        if key not in _KEYS:
            raise unknown_name("key", key, _KEYS)
    if scale not in raw["scales"]:
        raise unknown_name("scale", scale, raw["scales"])
    chosen = raw["scales"][scale] or {}
    for key in chosen:
        if key not in ("experiment", "run"):
            raise unknown_name("key", f"scales.{scale}.{key}", ("experiment", "run"))
    run = config.layered(raw.get("run", {}), chosen.get("run", {}), overrides)
    options = {**raw["experiment"], **chosen.get("experiment", {})}
    return Plan(raw["title"], raw["published"], _experiment(options), run)


def _experiment(options: Mapping[str, Any]) -> Experiment:
    options = dict(options)
    kind = Experiment.find(str(options.pop("type", "")))
    fields = [field.name for field in dataclasses.fields(kind)]
    for name in options:
        if name not in fields:
            raise unknown_name("key", f"experiment.{name}", fields)
    lists = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    return kind(**lists)
