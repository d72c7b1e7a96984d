"""The rows that an evaluation compares, none of them in two places. Layer 4."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from ganntk.errors import InputError
from ganntk.metrics.samples import as_samples

FEWEST_ROWS = 4
_MOST_SET_ASIDE = 5

Rows = Float32[np.ndarray, "rows ..."]


@dataclass(frozen=True, eq=False)
class Sets:
    """Rows of one shape.

    Attributes:
        compared: name -> rows, the generated ones first, then the baselines.
        training: all training rows, which novelty is measured against.
        reference: real rows that distances are to.
        yardstick: fresh real rows beside those in `compared`: how near to the training rows chance
            comes.
    """

    compared: dict[str, Rows]
    training: Rows
    reference: Rows
    yardstick: Rows


def choose(
    generated: Rows,
    training: Rows,
    reference: Rows,
    held_out: Rows | None,
    *,
    noise: float,
    seed: int,
) -> Sets:
    """Choose baselines of as many rows as were generated, or as many as there are.

    Rows of the reference and of the held-out set that are training rows are left out, and held-out
    rows that are in the reference. Without a held-out set, up to a fifth of the reference is set
    aside for it.

    Args:
        generated: the rows to judge, at least four.
        training: what they were made from.
        reference: real rows, many.
        held_out: real rows that are in neither of the two, or None.
        noise: standard deviation of the noise on the last baseline, in units of the range.
        seed: of that noise, and of what is set aside.

    Raises:
        InputError: too few rows, mismatched shapes, values that are not finite, or nothing left.
    """
    named = {"generated": generated, "training": training, "reference": reference}
    if held_out is not None:
        named["held-out"] = held_out
    for name, rows in named.items():
        _check(rows, generated.shape[1:], name)
    if not noise > 0:
        raise InputError(f"the noise is {noise}: give a positive standard deviation, such as 0.1")
    draws = np.random.default_rng(seed)
    real = reference[~_are_in(reference, training)]
    if held_out is None:
        order = draws.permutation(len(real))
        aside = min(2 * len(generated), len(real) // _MOST_SET_ASIDE)
        fresh, real = real[order[:aside]], real[np.sort(order[aside:])]
    else:
        fresh = held_out[~(_are_in(held_out, training) | _are_in(held_out, real))]
        fresh = fresh[draws.permutation(len(fresh))]
    count = min(len(generated), len(fresh) // 2)
    if count < FEWEST_ROWS or len(real) < FEWEST_ROWS:
        raise InputError(
            f"{len(real)} reference rows and {len(fresh)} held-out rows are left that are no "
            f"training rows: give at least {FEWEST_ROWS} and {2 * FEWEST_ROWS} of them"
        )
    known = training[: len(generated)]
    noisy = known + noise * draws.standard_normal(known.shape, np.float32)
    compared = {
        "generated": generated,
        "training": known,
        "held-out": fresh[:count],
        f"training, noise {noise:g}": np.clip(noisy, 0, 1).astype(np.float32),
    }
    return Sets(compared, training, real, fresh[count : 2 * count])


def _check(rows: Rows, shape: tuple[int, ...], name: str) -> None:
    """Refuse rows that cannot be compared."""
    if rows.shape[1:] != shape:
        raise InputError(
            f"the {name} rows have shape {rows.shape[1:]} and the generated ones {shape}: give "
            "rows of one shape"
        )
    if len(rows) < FEWEST_ROWS:
        raise InputError(
            f"there are {len(rows)} {name} rows: an evaluation needs at least {FEWEST_ROWS}"
        )
    as_samples(rows, name=f"{name} rows")


def _are_in(rows: Rows, others: Rows) -> Bool[np.ndarray, " rows"]:
    """Which rows are, to the bit, among others."""
    known = {row.tobytes() for row in np.ascontiguousarray(others, np.float32)}
    return np.array([row.tobytes() in known for row in np.ascontiguousarray(rows, np.float32)])
