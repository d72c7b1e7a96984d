"""Population-based training: values that change, and states that go from trial to trial. Layer 7.

Ray Tune decides who goes on from whom. What it hands over is the name of a run; the state is that
run's last checkpoint, copied whole and verified, so nothing depends on files of Ray Tune.
"""

import dataclasses
import json
import os
import tempfile
from typing import Any

import numpy as np
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import PopulationBasedTraining

from ganntk import config as configuration
from ganntk import storage
from ganntk.checkpoint import store, trees
from ganntk.config import RunConfig
from ganntk.lam import Fixed
from ganntk.run_folder import METRICS, RunFolder
from ganntk.sweeps import space as spaces
from ganntk.sweeps.space import Space

_POINTER = "run.json"


class Population(PopulationBasedTraining):
    """Ray Tune's scheduler, with trials that keep their number and values that keep their range.

    Args:
        space: what is varied.
        options: of Ray Tune's scheduler.
    """

    def __init__(self, space: Space, **options: Any) -> None:
        super().__init__(hyperparam_mutations=_mutations(space), **options)
        self._space = space

    def _get_new_config(
        self, trial: TuneTrial, trial_to_clone: TuneTrial
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        found, operations = super()._get_new_config(trial, trial_to_clone)
        for key, parameter in self._space.items():
            if isinstance(parameter, spaces.Uniform | spaces.LogUniform):
                found[key] = min(max(found[key], parameter.low), parameter.high)
        return {**found, "number": trial.config["number"]}, operations


def _mutations(space: Space) -> dict[str, Any]:
    """How each parameter is drawn anew."""
    found: dict[str, Any] = {}
    for key, parameter in space.items():
        if isinstance(parameter, spaces.LogUniform):
            found[key] = tune.loguniform(parameter.low, parameter.high)
        elif isinstance(parameter, spaces.Uniform):
            found[key] = tune.uniform(parameter.low, parameter.high)
        else:
            found[key] = list(parameter.values or ())
    return found


def pointer(folder: str, run_uri: str) -> Any:
    """What Ray Tune is given for a checkpoint: the name of a run.

    Args:
        folder: a local one, empty.
        run_uri: whose last checkpoint is meant.
    """
    with open(os.path.join(folder, _POINTER), "w", encoding="utf-8") as stream:
        json.dump({"run_uri": run_uri}, stream)
    return tune.Checkpoint.from_directory(folder)


def donor() -> str | None:
    """The run that this trial is to go on from; None for a trial that begins."""
    checkpoint = tune.get_checkpoint()
    if checkpoint is None:
        return None
    with (
        checkpoint.as_directory() as folder,
        open(os.path.join(folder, _POINTER), encoding="utf-8") as stream,
    ):
        return json.load(stream)["run_uri"]


def adopt(donor_uri: str, run: RunConfig) -> None:
    """Replace a run by what another one was at its last checkpoint, under another configuration.

    A fixed lam is part of the state, so it is set anew there.

    Args:
        donor_uri: the other run.
        run: the configuration of this one; its folder is replaced.

    Raises:
        CheckpointError: the donor has no whole checkpoint.
    """
    given = RunFolder.open(donor_uri)
    found, leaves = store.restore(donor_uri, staging=run.checkpoints.staging)
    if isinstance(run.lam, Fixed):
        for name, leaf in leaves.items():
            if name.rsplit(".", 1)[-1] == "lam":
                leaves[name] = np.full_like(leaf, run.lam.value)
    real, metrics = given.read_real(), storage.read_text(given.path(METRICS))
    storage.remove(run.run_uri)
    folder = RunFolder.create(run.run_uri, configuration.dump(run))
    storage.write_text(folder.path(METRICS), metrics)
    if real is not None:
        folder.write_real(real)
    with tempfile.TemporaryDirectory(prefix="ganntk-adopt-", dir=run.checkpoints.staging) as local:
        trees.write(os.path.join(local, store.TREE), leaves)
        manifest = dataclasses.replace(
            found.manifest,
            files=store.describe(local),
            fingerprint=configuration.fingerprint(run),
        )
        store.commit(store.upload(run.run_uri, local, manifest))
