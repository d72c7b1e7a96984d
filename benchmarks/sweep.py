"""What Ray Tune adds to a run: seconds for each trial and each report, and what sharing saves.

``python -m benchmarks.sweep``: on a local Ray, tiny runs of the digits.
"""

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from typing import Any

from benchmarks.harness import duration, machine, table
from ganntk import config, distributed, sweeps
from ganntk.distributed.ray_session import stay_on_loopback
from ganntk.run_folder import RunFolder
from ganntk.sweeps import settings
from ganntk.sweeps.ledger import read

_STEPS = 200


class Silent:
    """Watches nothing but what is shared."""

    counts = (0, 0)

    def phase(self, sentence: str) -> None:
        """Nothing."""

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """Nothing."""

    def trials(self, counts: Any, total: int, best: str) -> None:
        """Nothing."""

    def shared(self, made: int, found: int) -> None:
        """Remember."""
        self.counts = (made, found)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=6)
    given = parser.parse_args()
    stay_on_loopback()
    print(machine("cpu"))
    rows = [_case(given.trials, every, share) for every in (_STEPS, 5) for share in (True, False)]
    head = ["report every", "share", "sweep", "trial", "its run alone", "made, found"]
    print(table(head, rows))


def _case(trials: int, every: int, share: bool) -> list[str]:
    """A sweep one trial at a time, and its run in this process."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = _sweep(f"{folder}/sweep", trials, every, share)
        watcher = Silent()
        began = time.monotonic()
        sweeps.run(sweep, watcher)
        whole = time.monotonic() - began
        seconds = [trial.seconds for trial in read(sweep.sweep_uri).values()]
        alone = []
        for number in range(3):
            run = settings.run_of(sweep, 0, {"lam.value": 1.0})
            uri = f"{folder}/alone{number}"
            distributed.run(dataclasses.replace(run, run_uri=uri), watcher)
            result = RunFolder(uri).read_result()
            assert result is not None
            alone.append(result["seconds"])
    return [
        f"{every} steps",
        "yes" if share else "no",
        duration(whole),
        duration(statistics.median(seconds)),
        duration(statistics.median(alone)),
        json.dumps(watcher.counts),
    ]


def _sweep(uri: str, trials: int, every: int, share: bool) -> settings.SweepConfig:
    run = {
        "data": {"type": "digits", "size": 32},
        "kernel": "fnn",
        "lam": 1.0,
        "steps": _STEPS,
        "report_every": every,
        "sample_every": _STEPS,
        "checkpoints": {"every": 0},
    }
    space = {"lam.value": {"type": "log_uniform", "low": 0.1, "high": 10.0}}
    raw = {"sweep_uri": uri, "space": space, "budget": {"trials": trials}, "concurrent": 1}
    return config.decode_as(
        settings.SweepConfig, raw | {"run": config.changed({}, run), "share": share}
    )


if __name__ == "__main__":
    main()
