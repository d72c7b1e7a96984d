"""A sweep's folder drawn as `sweep.html`. Layer 7, without Ray."""

import math
from collections.abc import Sequence

import numpy as np

from ganntk import config as configuration
from ganntk import storage
from ganntk.errors import InputError
from ganntk.report import sweep_page
from ganntk.report.sweep_page import SweepView, TrialView
from ganntk.run_folder import RunFolder
from ganntk.sweeps import outcome, settings
from ganntk.sweeps.importance import importance
from ganntk.sweeps.ledger import Trial
from ganntk.sweeps.settings import SweepConfig

MOST_THUMBNAILS = 12


def write(sweep: SweepConfig, trials: Sequence[Trial]) -> str:
    """Draw `sweep.html` and return its URI."""
    uri = storage.join(sweep.sweep_uri, outcome.PAGE)
    storage.write_text(uri, sweep_page.render(view_of(sweep, trials)))
    return uri


def view_of(sweep: SweepConfig, trials: Sequence[Trial]) -> SweepView:
    """What the page shows."""
    measure, mode = sweep.measure, sweep.mode
    ordered = sorted(trials, key=lambda t: (outcome.value_of(t, measure, mode), t.number))
    best, front = outcome.best_of(trials, sweep), outcome.front_of(trials, sweep)
    if best is not None:
        # A trial that was ended early may be ahead of the best one by chance.
        ordered.remove(best)
        ordered.insert(0, best)
    shown = front if len(sweep.measures) > 1 else _known(sweep, ordered)
    results = [outcome.value_of(trial, measure, mode) for trial in trials]
    return SweepView(
        name=sweep.sweep_uri.rstrip("/").rsplit("/", 1)[-1],
        uri=sweep.sweep_uri,
        keys=list(sweep.space),
        measures=sweep.measures,
        trials=[_trial_view(sweep, trial) for trial in ordered],
        best=None if best is None else best.number,
        front=[trial.number for trial in front],
        thumbnails=_thumbnails(sweep, shown[:MOST_THUMBNAILS]),
        importance=importance([t.values for t in trials], results, seed=sweep.seed),
        grid_steps=sweep.run.steps * sum(t.state.value in sweep_page.TOOK_STEPS for t in trials),
        configuration=settings.dump(sweep),
        best_configuration=(
            "" if best is None else configuration.dump(settings.alone(sweep, best.values))
        ),
    )


def _known(sweep: SweepConfig, trials: Sequence[Trial]) -> list[Trial]:
    measure, mode = sweep.measure, sweep.mode
    return [t for t in trials if math.isfinite(outcome.value_of(t, measure, mode))]


def _trial_view(sweep: SweepConfig, trial: Trial) -> TrialView:
    reports = sorted(trial.reports.items())
    pairs = [(step, v[sweep.measure]) for step, v in reports if sweep.measure in v]
    return TrialView(
        number=trial.number,
        state=trial.state.value,
        reason=trial.reason,
        values=trial.values,
        measures={name: trial.last(name) for name in sweep.measures},
        steps=trial.steps,
        seconds=trial.seconds,
        curve=np.asarray(pairs, float).reshape(-1, 2),
    )


def _thumbnails(sweep: SweepConfig, trials: Sequence[Trial]) -> dict[int, bytes]:
    """The last picture of each trial that has one."""
    found = {}
    for trial in trials:
        try:
            pictures = RunFolder(outcome.uri_of(sweep, trial)).sample_uris()
        except InputError:
            continue
        if pictures:
            found[trial.number] = storage.read_bytes(pictures[max(pictures)])
    return found
