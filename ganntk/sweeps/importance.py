"""How much each parameter of a sweep decides: permutations in a random forest. Layer 7."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

FEWEST_TRIALS = 8
_TREES, _REPEATS = 200, 20


def importance(
    trials: Sequence[Mapping[str, Any]], results: Sequence[float], *, seed: int = 0
) -> dict[str, float]:
    """Each parameter's share in what a forest of regression trees predicts; they sum to 1.

    A parameter is permuted among the trials; what the forest's R² loses is its share. Words and
    mappings become numbers in the order of their names, and a parameter that is not there one below
    all others. Ranks stand for the results, so that one very bad trial decides nothing.

    Args:
        trials: dotted key -> value, for each trial.
        results: the measure of each; those that are not finite are left out.
        seed: of the forest.

    Returns:
        Key -> share, the largest first; empty where fewer than eight trials have a result, or all
        have the same.
    """
    kept = [i for i, result in enumerate(results) if math.isfinite(result)]
    outcome = np.asarray([results[i] for i in kept])
    if len(kept) < FEWEST_TRIALS or np.ptp(outcome) == 0:
        return {}
    keys = list(dict.fromkeys(key for trial in trials for key in trial))
    columns = np.stack([_column([trials[i].get(key) for i in kept]) for key in keys], axis=1)
    ranks = np.argsort(np.argsort(outcome)).astype(float)
    forest = RandomForestRegressor(_TREES, min_samples_leaf=2, random_state=seed)
    forest.fit(columns, ranks)
    found: Any = permutation_importance(
        forest, columns, ranks, n_repeats=_REPEATS, random_state=seed
    )
    shares = np.maximum(found.importances_mean, 0)
    total = shares.sum() or 1.0
    ordered = sorted(zip(keys, shares / total, strict=True), key=lambda pair: -pair[1])
    return {key: float(share) for key, share in ordered}


def _column(values: Sequence[Any]) -> np.ndarray:
    """Values of one parameter as numbers."""
    if all((isinstance(v, int | float) and not isinstance(v, bool)) or v is None for v in values):
        numbers = [math.nan if v is None else float(v) for v in values]
        low = np.nanmin(numbers) if any(v is not None for v in values) else 0.0
        return np.where(np.isnan(numbers), low - 1, numbers)
    names = {name: place for place, name in enumerate(sorted({repr(v) for v in values}))}
    return np.asarray([-1.0 if v is None else names[repr(v)] for v in values])
