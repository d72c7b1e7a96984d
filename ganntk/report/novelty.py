"""How new and how faithful a watched run was at each check, and which step it kept. Layer 4."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ganntk.report import curves
from ganntk.report.contents import Contents
from ganntk.report.numbers import fixed, number

TITLES = {
    "memorisation": "memorisation score",
    "am_ssim": "AM-SSIM",
    "held_out_distance": "distance to held-out rows",
    "loss_per_real": "loss per real row",
}
"""The series of a check, in the order in which they are drawn."""


def drawings(run: Contents) -> list[tuple[str, str]]:
    """Captions and drawings of a watched run; none where nothing was watched."""
    checks = [record for record in run.metrics if "memorisation" in record]
    if not checks:
        return []
    kept = _kept(run, checks)
    names = [name for name in TITLES if name != "loss_per_real" and name in checks[0]]
    drawn = [_over_steps(name, checks, kept) for name in names]
    return [_path(checks, kept), *drawn]


def sentence(run: Contents) -> str:
    """Why the run ended where it did."""
    ending = run.result.get("stopping", {})
    if not ending:
        return "The run has not ended."
    last, kept = ending["last_step"], ending["kept_step"]
    if ending["reason"] is None:
        reason = f"All {number(last)} steps were taken"
    else:
        reason = f"Stopped at step {number(last)}, because {ending['reason']}"
    return f"{reason}; the rows of step {number(kept)} are kept."


def _kept(run: Contents, checks: list[Mapping[str, Any]]) -> int:
    """Index of the check whose rows were kept; the last one of a run that has not ended."""
    steps = [check["step"] for check in checks]
    step = run.result.get("stopping", {}).get("kept_step", steps[-1])
    return int(np.abs(np.array(steps) - step).argmin())


def _over_steps(name: str, checks: list[Mapping[str, Any]], kept: int) -> tuple[str, str]:
    series = np.array([(check["step"], _value(check, name)) for check in checks], float)
    step, value = checks[kept]["step"], fixed(float(series[kept, 1]), digits=3)
    alt = f"{TITLES[name]} over the step, {value} at step {step}, which is kept"
    is_distance = name == "held_out_distance"
    drawing = curves.curve(
        f"check-{name}", alt, {curves.INK: series}, log=is_distance, mark=float(step)
    )
    return f'{_capital(TITLES[name])} <span class="values">{value}</span>', drawing


def _path(checks: list[Mapping[str, Any]], kept: int) -> tuple[str, str]:
    """Fidelity against novelty: the distance to held-out rows, or the loss where there are none."""
    other = "held_out_distance" if "held_out_distance" in checks[0] else "loss_per_real"
    points = np.array(
        [[_value(check, name) for name in ("memorisation", other)] for check in checks], float
    )
    titles = (TITLES["memorisation"], TITLES[other])
    step = number(checks[kept]["step"])
    alt = f"{titles[1]} against {titles[0]} over {len(checks)} checks, step {step} marked"
    is_distance = other == "held_out_distance"
    drawing = curves.path("fidelity", alt, points, titles=titles, mark=kept, log=is_distance)
    return f'Fidelity against novelty <span class="values points">step {step}</span>', drawing


def _value(check: Mapping[str, Any], name: str) -> float:
    value = check.get(name)
    return float("nan") if value is None else value


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
