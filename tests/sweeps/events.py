"""A sweep on a real Ray that something happens to; a program of test_tuning.py.

``python events.py SCENARIO SWEEP_FILE FOLDER``: prints one JSON object, or is killed.
"""

import json
import os
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
    """End the process of one trial, when it is taking steps."""
    _kill("ray::ImplicitFunc.train")


def kill_pool():
    """End the actor that has what trials share, while one takes steps and others are to come."""
    _kill("ray::Pool")


def _kill(title):
    """End the first process with a title that comes up, a second later."""
    for _ in range(100):
        mine = psutil.Process().children(recursive=True)
        found = [p for p in mine if _title(p).startswith(title)]
        if found:
            time.sleep(1.0)
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
    scenario, file, folder = sys.argv[1:]
    acts = {
        "quiet": lambda: None,
        "kill-driver": kill_driver,
        "kill-trial": kill_trial,
        "kill-pool": kill_pool,
    }
    watcher = Watcher(acts[scenario])
    if storage.exists(storage.join(folder, "sweep.yaml")):
        result = sweeps.resume(folder, watcher)
    else:
        result = sweeps.run(sweeps.load(file, ["--sweep_uri", folder]), watcher)
    if watcher.thread is not None:
        watcher.thread.join()
    said = {"shared": watcher.counts, "acted": watcher.has_acted}
    sys.stdout.write(json.dumps({**vars(result), **said}) + "\n")


if __name__ == "__main__":
    main()
