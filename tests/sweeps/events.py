"""A sweep on a real Ray that something happens to; a program of test_tuning.py.

``python events.py SCENARIO SWEEP_FILE FOLDER [--KEY VALUE ...]``: prints one JSON object, or is
killed.
"""

import json
import os
import pathlib
import signal
import sys
import threading
import time

from ganntk.distributed.ray_session import stay_on_loopback

stay_on_loopback()

import psutil  # noqa: E402

from ganntk import storage, sweeps  # noqa: E402
from ganntk.sweeps.ledger import State  # noqa: E402


class Watcher:
    """Does something once, when a trial has finished."""

    def __init__(self, act):
        self.act, self.thread = act, None
        self.counts, self.has_acted = [], False

    def phase(self, sentence):
        """Nothing."""

    def shared(self, made, found):
        """Remember."""
        self.counts = [made, found]

    def trials(self, counts, total, best):
        """Start the act while another trial runs."""
        if self.thread is None and counts[State.FINISHED] >= 1 and counts[State.RUNNING] >= 1:
            self.thread = threading.Thread(target=self._act)
            self.thread.start()

    def _act(self):
        self.act()
        self.has_acted = True


def kill_driver():
    """End this process without a word, in the middle of the next trial."""
    time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGKILL)


def kill_trial():
    """End the process of one trial that has a checkpoint."""
    _kill("ray::ImplicitFunc.train", _has_checkpoint)


def kill_worker():
    """End one of several workers of a trial that has a checkpoint."""
    _kill(("ray::ShardWorker", "ray::VectorWorker"), _has_checkpoint)


def kill_pool():
    """End the actor that has what trials share, while one takes steps and others are to come."""
    _kill("ray::Pool", lambda: True)


def _has_checkpoint():
    """Whether a trial that has not ended has a whole checkpoint."""
    runs = pathlib.Path(sys.argv[3], "trials").glob("*")
    return any(
        any(run.glob("checkpoints/*/manifest.json"))
        for run in runs
        if not (run / "result.json").exists()
    )


def _kill(title, is_ready):
    """End the last process with a title, a second after it came up and when all is ready."""
    for _ in range(1000):
        mine = psutil.Process().children(recursive=True)
        if is_ready() and any(_title(p).startswith(title) for p in mine):
            time.sleep(1.0)
            found = [p for p in mine if _title(p).startswith(title)]
            if found and is_ready():
                os.kill(found[-1].pid, signal.SIGKILL)
                return
        time.sleep(0.1)
    raise LookupError(title)


def _title(process):
    try:
        return (process.cmdline() or [""])[0]
    except psutil.Error:
        return ""


def main():
    """Run the scenario."""
    scenario, file, folder, *overrides = sys.argv[1:]
    acts = {
        "quiet": lambda: None,
        "kill-driver": kill_driver,
        "kill-trial": kill_trial,
        "kill-worker": kill_worker,
        "kill-pool": kill_pool,
    }
    watcher = Watcher(acts[scenario])
    if storage.exists(storage.join(folder, "sweep.yaml")):
        result = sweeps.resume(folder, watcher, overrides)
    else:
        result = sweeps.run(sweeps.load(file, ["--sweep_uri", folder, *overrides]), watcher)
    if watcher.thread is not None:
        watcher.thread.join()
    said = {"shared": watcher.counts, "acted": watcher.has_acted}
    sys.stdout.write(json.dumps({**vars(result), **said}) + "\n")


if __name__ == "__main__":
    main()
