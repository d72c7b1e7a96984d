"""Lines that people copy, wherever they stand: Ray and the configuration take them as they are."""

from pathlib import Path

import pytest
import yaml

from ganntk import config, sweeps
from ganntk.cli import parser
from tests.console import commands, commands_of
from tests.structure.sources import ROOT

DOCUMENTS = [
    ROOT / "cluster.yaml",
    ROOT / "deploy" / "kuberay" / "README.md",
    ROOT / "docs" / "how-to" / "cluster.md",
    ROOT / "docs" / "how-to" / "tune.md",
    ROOT / "ray_jobs" / "README.md",
]


def _runs() -> list[list[str]]:
    """The entry points that start a run."""
    found = [words for words in _entry_points() if "--config" in words]
    return [words for words in found if "ray_jobs/sweep.py" not in words]


def _sweeps() -> list[list[str]]:
    """The entry points that start a sweep, or go on with one."""
    return [words for words in _entry_points() if "ray_jobs/sweep.py" in words]


def _resumptions() -> list[list[str]]:
    """The entry points that go on with one."""
    return [words for words in _entry_points() if "ray_jobs/resume.py" in words]


def _entry_points() -> list[list[str]]:
    """What all documents submit, without what submits it."""
    submits = [words for path in DOCUMENTS for words in commands_of(path, "ray", "job", "submit")]
    job = yaml.safe_load((ROOT / "deploy/kuberay/rayjob.yaml").read_text(encoding="utf-8"))
    in_image = job["spec"]["entrypoint"].replace("/opt/ganntk/", "")
    return [*(words[words.index("--") + 1 :] for words in submits), in_image.split()]


@pytest.mark.parametrize("words", _runs(), ids=" ".join)
def test_an_entry_point_is_there_and_its_options_are_a_run(words: list[str]):
    python, job, flag, uri, *overrides = words
    assert (python, flag) == ("python", "--config")
    assert (ROOT / job).is_file()
    run = config.load(str(ROOT / uri), overrides)
    # What any node may write to, and another folder for every run.
    assert run.run_uri.startswith("s3://my-bucket/runs/")
    assert run.run_uri.endswith("{time}")
    # There may be no GPU to be seen when a job begins.
    assert run.cluster.gpus_per_worker == 1


@pytest.mark.parametrize("words", _sweeps(), ids=" ".join)
def test_a_line_of_a_sweep_has_options_of_a_sweep(words: list[str]):
    python, job, flag, uri, *overrides = words
    assert python == "python"
    assert (ROOT / job).is_file()
    if flag == "--resume":
        assert uri.startswith("s3://my-bucket/runs/")
        return
    assert flag == "--config"
    sweep = sweeps.load(str(ROOT / uri), overrides)
    assert sweep.sweep_uri.startswith("s3://my-bucket/runs/")
    assert sweep.run.cluster.gpus_per_worker is not None


def test_a_sweep_is_submitted_and_resumed_somewhere():
    assert {words[2] for words in _sweeps()} == {"--config", "--resume"}


def test_a_run_is_resumed_somewhere():
    assert _resumptions()


@pytest.mark.parametrize("words", _resumptions(), ids=" ".join)
def test_a_line_that_resumes_has_options_of_a_run(words: list[str]):
    python, job, run_uri, *overrides = words
    assert python == "python"
    assert (ROOT / job).is_file()
    assert run_uri.startswith("s3://my-bucket/runs/")
    assert config.load(None, overrides).cluster.gpus_per_worker == 1


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_a_line_of_another_job_has_options_of_its_command(command: str):
    found = [words for words in _entry_points() if f"ray_jobs/{command}.py" in words]
    assert found
    for python, job, *words in found:
        assert python == "python"
        assert (ROOT / job).is_file()
        options, rest = parser().parse_known_args([command, *words])  # ends where one lacks
        assert options.run_uri.startswith("s3://my-bucket/runs/")
        assert rest == []


@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if "kuberay" not in path.parts], ids=lambda path: path.name
)
def test_every_ray_command_has_options_that_ray_knows(path: Path):
    scripts = pytest.importorskip("ray.scripts.scripts", reason="the commands are Ray's")
    found = commands_of(path, "ray")
    assert found
    for _, *words in found:
        command, name = scripts.cli, "ray"
        while hasattr(command, "commands"):
            name, *words = words
            command = command.commands[name]
        # Raises where an option or an argument is unknown or missing; runs nothing.
        command.make_context(name, list(words))


def test_every_document_about_clusters_turns_authentication_on():
    for path in DOCUMENTS:
        assert ["export", "RAY_AUTH_MODE=token"] in [
            [words[0], word] for words in commands(path) for word in words[1:]
        ], path.name
