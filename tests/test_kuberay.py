"""deploy/kuberay/ is what the KubeRay operator takes, and what the design promises of it.

Where the operator's own schema is not at hand, what it would refuse is checked by name.
"""

import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.structure.sources import ROOT

FOLDER = ROOT / "deploy" / "kuberay"
PLACEHOLDER = "registry.example.com/ganntk:latest"
CLUSTER_KEYS = {
    "authOptions",
    "autoscalerOptions",
    "enableInTreeAutoscaling",
    "headGroupSpec",
    "rayVersion",
    "workerGroupSpecs",
}
JOB_KEYS = {"backoffLimit", "entrypoint", "rayClusterSpec", "shutdownAfterJobFinishes"}
WORKER_KEYS = {
    "groupName",
    "maxReplicas",
    "minReplicas",
    "rayStartParams",
    "replicas",
    "template",
}
GPU = "nvidia.com/gpu"


def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def _cluster(name: str) -> dict[str, Any]:
    """What both files say of a cluster."""
    spec = yaml.safe_load(_text(name))["spec"]
    return spec.get("rayClusterSpec", spec)


@pytest.fixture(params=["raycluster.yaml", "rayjob.yaml"])
def cluster(request: pytest.FixtureRequest) -> dict[str, Any]:
    return _cluster(request.param)


def _pods(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def _container(group: dict[str, Any]) -> dict[str, Any]:
    (container,) = group["template"]["spec"]["containers"]
    return container


@pytest.mark.parametrize(
    ("name", "kind"), [("raycluster.yaml", "RayCluster"), ("rayjob.yaml", "RayJob")]
)
def test_a_file_is_one_object_of_the_stable_api(name: str, kind: str):
    (found,) = yaml.safe_load_all(_text(name))
    assert set(found) == {"apiVersion", "kind", "metadata", "spec"}
    assert (found["apiVersion"], found["kind"]) == ("ray.io/v1", kind)
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,45}[a-z0-9])?", found["metadata"]["name"])


def test_every_key_of_a_cluster_is_one_that_the_operator_knows(cluster: dict[str, Any]):
    assert set(cluster) == CLUSTER_KEYS
    assert set(cluster["headGroupSpec"]) == {"rayStartParams", "template"}
    assert [set(group) for group in cluster["workerGroupSpecs"]] == [WORKER_KEYS]
    assert set(yaml.safe_load(_text("rayjob.yaml"))["spec"]) == JOB_KEYS


def test_the_head_takes_no_tasks(cluster: dict[str, Any]):
    head = cluster["headGroupSpec"]
    assert head["rayStartParams"] == {"num-cpus": "0", "num-gpus": "0"}
    assert GPU not in _container(head)["resources"]["limits"]
    ports = {port["name"]: port["containerPort"] for port in _container(head)["ports"]}
    assert ports == {"gcs-server": 6379, "dashboard": 8265, "client": 10001}


def test_workers_have_eight_gpus_each_and_eighty_together(cluster: dict[str, Any]):
    (workers,) = cluster["workerGroupSpecs"]
    assert cluster["enableInTreeAutoscaling"] is True
    assert (workers["minReplicas"], workers["replicas"], workers["maxReplicas"]) == (1, 1, 10)
    assert _container(workers)["resources"]["limits"][GPU] * workers["maxReplicas"] == 80


def test_what_a_pod_asks_for_is_what_it_may_use(cluster: dict[str, Any]):
    # Kubernetes refuses other GPUs than the limit, and evicts pods that use more than they asked.
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        resources = _container(group)["resources"]
        assert resources["requests"] == resources["limits"]
        assert {"cpu", "memory"} <= set(resources["limits"])


def test_connections_show_a_token_that_no_file_holds(cluster: dict[str, Any]):
    assert cluster["authOptions"] == {"mode": "token"}
    variables = {entry["name"] for pod in _pods(cluster) for entry in pod["containers"][0]["env"]}
    # Set here, they would win over what the operator sets from its Secret.
    assert not variables & {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}


def test_values_that_kubernetes_takes_as_text_are_text(cluster: dict[str, Any]):
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    texts = [value for group in groups for value in group["rayStartParams"].values()]
    texts += [entry["value"] for pod in _pods(cluster) for entry in pod["containers"][0]["env"]]
    assert all(isinstance(text, str) for text in [*texts, cluster["rayVersion"]])


def test_the_version_of_ray_is_the_pinned_one(cluster: dict[str, Any]):
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert f"ray=={cluster['rayVersion']}" in pins


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_the_image_is_a_placeholder_that_a_person_is_told_to_change(name: str):
    lines = [line for line in _text(name).splitlines() if "image:" in line]
    assert len(lines) == 2
    assert [line for line in lines if PLACEHOLDER not in line or "# change: " not in line] == []
    hosts = re.findall(r"[\w-]+(?:\.[\w-]+)*\.(?:com|net|org|io|dev)\b", _text(name))
    # The last two are groups of the API.
    assert set(hosts) <= {"registry.example.com", "nvidia.com", "ray.io"}


def test_a_job_runs_the_entry_point_of_the_image_and_its_cluster_goes_with_it():
    spec = yaml.safe_load(_text("rayjob.yaml"))["spec"]
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["backoffLimit"] == 0
    words = spec["entrypoint"].split()
    home = re.search(r"^WORKDIR (\S+)$", _text("Dockerfile"), re.MULTILINE)
    assert home is not None
    paths = [word.removeprefix(f"{home[1]}/") for word in words if word.startswith(home[1])]
    assert paths == ["ray_jobs/synthesize.py", "configs/digits.yaml"]
    assert [path for path in paths if not (ROOT / path).is_file()] == []


def test_the_image_holds_what_a_node_of_ray_up_gets():
    copied = set(re.findall(r"^COPY (.+) \S+$", _text("Dockerfile"), re.MULTILINE))
    names = {name for line in copied for name in line.split()}
    assert [name for name in names if not (ROOT / name).exists()] == []
    mounts = yaml.safe_load((ROOT / "cluster.yaml").read_text(encoding="utf-8"))["file_mounts"]
    mounted = {local for local in mounts.values() if not local.startswith("~")}
    assert names == mounted | {"configs", "ray_jobs"}


def _strict(schema: Any) -> Any:
    """A schema of the operator as JSON Schema, that takes no name which it does not list."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    found = {name: _strict(value) for name, value in schema.items() if name != "properties"}
    if "properties" in schema:
        found["properties"] = {n: _strict(value) for n, value in schema["properties"].items()}
        is_open = schema.get("x-kubernetes-preserve-unknown-fields")
        if not is_open and "additionalProperties" not in schema:
            found["additionalProperties"] = False
    return found


@pytest.mark.skipif("GANNTK_KUBERAY" not in os.environ, reason="GANNTK_KUBERAY names no CRDs")
@pytest.mark.parametrize("name", ["raycluster", "rayjob"])
def test_the_operators_own_schema_takes_it(name):
    """`GANNTK_KUBERAY` is a folder with ray.io_rayclusters.yaml and ray.io_rayjobs.yaml."""
    document = yaml.safe_load(_text(f"{name}.yaml"))
    file = Path(os.environ["GANNTK_KUBERAY"]) / f"ray.io_{name}s.yaml"
    versions = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]["versions"]
    (whole,) = (
        each["schema"]["openAPIV3Schema"]
        for each in versions
        if document["apiVersion"] == f"ray.io/{each['name']}"
    )
    schema = _strict(whole)
    schema["properties"]["metadata"] = {"type": "object"}
    check = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in check.iter_errors(document)] == []
    # It would find a name that is wrong.
    document["spec"]["replica"] = 1
    assert len(list(check.iter_errors(document))) == 1
