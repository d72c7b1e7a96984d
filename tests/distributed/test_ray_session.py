"""ganntk.distributed.ray_session: who gets into a Ray of our own, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.ray

# In a process of its own: variables must be set before Ray is imported. What knocks is a Ray
# without the token, which would otherwise ask twenty times.
_SCRIPT = """
import json, os, subprocess, sys
if "import first" in sys.argv:
    import ray
from ganntk.distributed import ray_session
ray_session.stay_on_loopback()
with ray_session.session("local"):
    import psutil, ray
    address = ray.get_runtime_context().gcs_address
    knock = f"import ray; ray.init(address='{address}', log_to_driver=False)"
    names = {name: value for name, value in os.environ.items() if "RAY_AUTH" not in name}
    names |= {"RAY_AUTH_MODE": "disabled", "RAY_NUM_REDIS_GET_RETRIES": "1"}
    knocked = subprocess.run([sys.executable, "-c", knock], env=names, capture_output=True)
    lines = [" ".join(p.cmdline()) for p in psutil.Process().children(recursive=True)]
    shown = [line for line in lines if os.environ["RAY_AUTH_TOKEN"] in line]
    works = ray.get(ray.remote(lambda: 5).remote())
error = knocked.stderr.decode()
print(json.dumps({"works": works, "refused": "InvalidAuthToken" in error, "shown": shown}))
"""


@pytest.mark.parametrize(
    "order", [pytest.param("import first", marks=pytest.mark.slow), "import later"]
)
def test_a_local_ray_asks_for_a_token_that_is_in_no_file_and_no_command_line(
    tmp_path: Path, order: str
):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, order],
        env=kept | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"works": 5, "refused": True, "shown": []}
    assert not (tmp_path / ".ray").exists()


def test_sigterm_ends_a_run_on_a_local_ray_with_one_line_and_no_processes(tmp_path: Path):
    import psutil

    uri = tmp_path / "run"
    words = ["--cluster.address", "local", "--kernel", "fnn", "--steps", "1000000"]
    run = subprocess.Popen(
        [sys.executable, "-m", "ganntk", "synthesize", *words, "--run_uri", str(uri)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert run.stderr is not None
        assert any(" step " in line for line in iter(run.stderr.readline, ""))
        started = psutil.Process(run.pid).children(recursive=True)
        assert started
        run.send_signal(signal.SIGTERM)
        lines = run.stderr.readlines()
        assert run.wait(timeout=60) == 130
        assert lines[-1] == "ganntk: interrupted\n"
        assert psutil.wait_procs(started, timeout=20)[1] == []
    finally:
        run.kill()
