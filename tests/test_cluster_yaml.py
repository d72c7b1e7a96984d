"""`cluster.yaml` is what `ray up` takes: Ray's own check, and what the design promises of it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.structure.sources import ROOT

TEXT = (ROOT / "cluster.yaml").read_text(encoding="utf-8")
PLACEHOLDER = "ami-00000000000000000"


def _checked(text: str) -> dict[str, Any]:
    """The file with Ray's defaults filled in, checked by Ray. Nothing is started or asked."""
    pytest.importorskip("ray", reason="the check is Ray's own")
    from ray.autoscaler._private.util import prepare_config, validate_config

    filled = prepare_config(yaml.safe_load(text))
    validate_config(filled)
    return filled


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    return _checked(TEXT)


def test_the_head_takes_no_tasks_and_is_never_a_worker(cluster: dict[str, Any]):
    head = cluster["available_node_types"][cluster["head_node_type"]]
    assert head["resources"] == {"CPU": 0, "GPU": 0}
    assert head["max_workers"] == 0


def test_eighty_gpus_can_be_asked_for_at_once(cluster: dict[str, Any]):
    worker = cluster["available_node_types"]["worker"]
    assert worker["resources"]["GPU"] * worker["max_workers"] == 80
    assert cluster["max_workers"] == worker["max_workers"] <= cluster["upscaling_speed"]


@pytest.mark.parametrize("role", ["head", "worker"])
def test_every_node_starts_with_token_authentication(cluster: dict[str, Any], role: str):
    starts = [line for line in cluster[f"{role}_start_ray_commands"] if "ray start" in line]
    assert len(starts) == 1
    assert "RAY_AUTH_MODE=token ray start" in starts[0]
    assert "RAY_AUTH_MODE=token" in " ".join(cluster["initialization_commands"])
    assert "~/.ray/auth_token" in cluster["file_mounts"]


def test_the_dashboard_is_reached_through_ssh_only(cluster: dict[str, Any]):
    (start,) = [line for line in cluster["head_start_ray_commands"] if "ray start" in line]
    assert "--dashboard-host=127.0.0.1" in start


def test_the_nodes_get_the_pinned_environment_from_files_that_exist(cluster: dict[str, Any]):
    mounted = [local for local in cluster["file_mounts"].values() if not local.startswith("~")]
    assert [local for local in mounted if not (ROOT / local).exists()] == []
    wanted = {"Makefile", "constraints.txt", "ganntk", "pyproject.toml", "scripts"}
    assert wanted <= set(mounted)
    assert "make -C ~/ganntk env" in cluster["head_setup_commands"]
    assert "make -C ~/ganntk env CUDA=1" in cluster["worker_setup_commands"]


def test_what_the_nodes_get_is_enough_to_install_it(cluster: dict[str, Any], tmp_path: Path):
    for remote, local in cluster["file_mounts"].items():
        if remote.startswith("~/ganntk/"):
            target = tmp_path / remote.removeprefix("~/ganntk/")
            ignored = shutil.ignore_patterns(*cluster["rsync_exclude"])
            if (ROOT / local).is_dir():
                shutil.copytree(ROOT / local, target, ignore=ignored)
            else:
                shutil.copy(ROOT / local, target)
    assert list(tmp_path.rglob("*.so")) == []
    # As on a node without a compiler: the build goes on, and what is proved here does not need one.
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")],
        cwd=tmp_path,
        env=os.environ | {"CC": "false"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    assert list((tmp_path / "dist").glob("ganntk-*.whl"))


def test_spot_nodes_are_one_commented_line_away(cluster: dict[str, Any]):
    choice = re.compile(r"# (InstanceMarketOptions: \{.*\}) # change: .*")
    chosen = _checked(choice.sub(r"\1", TEXT))
    types = chosen["available_node_types"]
    options = types["worker"]["node_config"].pop("InstanceMarketOptions")
    assert options == {"MarketType": "spot"}
    # Nothing else: a head that is taken away ends every run.
    assert types == cluster["available_node_types"]


def test_every_line_that_a_person_changes_says_so():
    keys = (
        "cluster_name",
        "max_workers: 10",
        "region",
        "availability_zone",
        "ssh_user",
        "InstanceType",
        "ImageId",
        "VolumeSize",
        "resources: { CPU: 96",
        "min_workers: 0 ",
    )
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    for key in keys:
        found = [line for line in lines if key in line]
        assert found, key
        assert [line for line in found if "# change: " not in line] == []


def test_the_file_holds_no_secret_and_nobodys_account():
    assert set(re.findall(r"ami-\w+", TEXT)) == {PLACEHOLDER}
    # Access keys of AWS, account numbers, private keys, long hexadecimal tokens.
    secrets = r"A[KS]IA[A-Z0-9]{12,}|(?<![0-9a-z-])\d{12}(?!\d)|PRIVATE KEY|\b[0-9a-f]{32,}\b"
    assert re.findall(secrets, TEXT) == []
