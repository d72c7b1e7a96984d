"""`ganntk sample` and `ganntk export`: rows of a trained generator without its training code."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from jax import export

from ganntk import config, generation, sampling, storage
from ganntk.cli import main
from ganntk.errors import InputError
from ganntk.generators import network as networks
from ganntk.run_folder import RunFolder

WORDS = [
    *["--kernel", "cnn-small", "--data.type", "digits", "--data.size", "16", "--lam", "1.28"],
    *["--coupling.type", "generator", "--coupling.batch", "8", "--points.count", "10"],
    *["--coupling.network.latent", "5", "--coupling.network.channels", "[4, 3]"],
    *["--coupling.network.dense", "[6]", "--steps", "6", "--checkpoints.every", "3"],
    *["--optimizer.learning_rate", "0.05", "--seed", "2"],
]


@pytest.fixture(scope="module")
def run_uri(tmp_path_factory) -> str:
    uri = str(tmp_path_factory.mktemp("runs") / "generator")
    assert main(["synthesize", *WORDS, "--run_uri", uri]) == 0
    return uri


def sample(capsys, *words: str) -> dict:
    assert main(["sample", *words]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def rows_in(uri: str) -> tuple[np.ndarray, list[int]]:
    tables = [storage.read_table(part) for part in storage.list_files(uri, suffix=".parquet")]
    rows = np.concatenate([t["image"].combine_chunks().to_numpy_ndarray() for t in tables])
    return rows, [i for table in tables for i in table["index"].to_pylist()]


def test_the_first_rows_are_those_of_the_run_and_others_follow(capsys, run_uri, tmp_path):
    said = sample(capsys, run_uri, "--points", "23", "--batch", "9", "--to", str(tmp_path))
    assert (said["points"], said["step"], said["samples"]) == (23, 6, str(tmp_path))
    rows, index = rows_in(str(tmp_path))
    assert rows.shape == (23, 8, 8, 1)
    assert index == list(range(23))
    saved = RunFolder.open(run_uri).read_images()
    assert saved is not None
    np.testing.assert_allclose(rows[:10], saved.rows, atol=1e-6)
    assert np.std(rows, axis=0).max() > 1e-3
    more = str(tmp_path / "more")
    sample(capsys, run_uri, "--points", "4", "--first", "20", "--to", more)
    np.testing.assert_allclose(rows_in(more)[0][:3], rows[20:], atol=1e-6)
    assert rows_in(more)[1] == [20, 21, 22, 23]


def test_rows_go_to_parts_of_bounded_size_on_any_storage(capsys, run_uri, monkeypatch):
    monkeypatch.setattr(sampling, "_PART_BYTES", 8 * 8 * 4 * 10)
    said = sample(capsys, run_uri, "--points", "25", "--batch", "4", "--to", "memory://parts")
    assert said["parts"] == 4
    rows, index = rows_in("memory://parts")
    assert index == list(range(25))
    assert len(rows) == 25
    storage.remove("memory://parts")


def test_another_seed_gives_others_and_an_older_checkpoint_too(capsys, run_uri, tmp_path):
    found = {}
    for name, words in {"own": [], "seed": ["--seed", "7"], "old": ["--step", "3"]}.items():
        said = sample(capsys, run_uri, "--points", "5", *words, "--to", str(tmp_path / name))
        assert said["step"] == (3 if name == "old" else 6)
        found[name] = rows_in(str(tmp_path / name))[0]
    assert np.abs(found["own"] - found["seed"]).max() > 0.01
    assert np.abs(found["own"] - found["old"]).max() > 0.001


def test_the_report_shows_ways_between_codes(capsys, run_uri):
    sample(capsys, run_uri, "--points", "5")
    assert "Between codes" in storage.read_text(f"{run_uri}/report.html")
    assert pq.read_schema(f"{run_uri}/generated/part-00000.parquet").metadata[b"shape"] == (
        b"[8, 8, 1]"
    )
    assert main(["sample", run_uri, "--points", "5"]) == 2
    assert "already holds rows" in capsys.readouterr().err


def test_a_way_between_codes_keeps_their_lengths_and_turns_evenly():
    a, b = np.array([3.0, 0.0, 0.0]), np.array([0.0, 5.0, 0.0])
    way = sampling._way(a, b, np.linspace(0, 1, 5))
    np.testing.assert_allclose(way[[0, -1]], [a, b], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), [3, 3.5, 4, 4.5, 5])
    np.testing.assert_allclose(np.arctan2(way[:, 1], way[:, 0]), np.pi / 8 * np.arange(5))
    np.testing.assert_allclose(sampling._way(a, 2 * a, np.array([0.5]))[0], 1.5 * a)


PROGRAM = """
import sys, numpy as np
from jax import export
with open(sys.argv[1], "rb") as stream:
    program = export.deserialize(bytearray(stream.read()))
codes = np.load(sys.argv[2])
np.save(sys.argv[3], np.asarray(program.call(codes)))
assert not [name for name in sys.modules if name.startswith(("ganntk", "flax", "optax"))]
"""


def test_an_exported_generator_needs_neither_ganntk_nor_flax(capsys, run_uri, tmp_path):
    assert main(["export", run_uri, str(tmp_path / "program"), "--format", "program"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    about = json.loads(storage.read_text(str(tmp_path / "program" / sampling.ABOUT)))
    assert (about["latent"], about["row_shape"], about["step"]) == (5, [8, 8, 1], 6)
    z = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    codes, made = tmp_path / "codes.npy", tmp_path / "rows.npy"
    np.save(codes, z)
    subprocess.run(
        [sys.executable, "-c", PROGRAM, said["program"], codes, made], check=True, timeout=120
    )
    given = config.load(f"{run_uri}/config.yaml")
    network = given.coupling.network  # type: ignore[attr-defined]
    trained = sampling.load(run_uri, network, "float32", given.data)
    np.testing.assert_allclose(np.load(made), trained.rows(z), atol=1e-6)


def test_a_generator_of_codes_is_sampled_and_exported_as_one_of_images(capsys, tmp_path):
    """In another process, which has to train the autoencoder again, or find it."""
    uri, weights = str(tmp_path / "latent"), str(tmp_path / "autoencoder.npz")
    words = [
        *["--data.type", "encoded", "--data.of.size", "16", "--data.channels", "[8]"],
        *["--data.steps", "10", "--data.weights_uri", weights, "--kernel", "fnn", "--lam", "5"],
        *["--coupling.type", "generator", "--coupling.batch", "8", "--points.count", "10"],
        *["--coupling.network.type", "dense", "--steps", "6", "--checkpoints.every", "3"],
    ]
    assert main(["synthesize", *words, "--run_uri", uri]) == 0
    saved = RunFolder.open(uri).read_images()
    assert saved is not None
    to, program = str(tmp_path / "rows"), str(tmp_path / "program")
    for command in (["sample", uri, "--points", "12", "--to", to], ["export", uri, program]):
        more = ["--format", "program"] if command[0] == "export" else []
        subprocess.run([sys.executable, "-m", "ganntk", *command, *more], check=True, timeout=200)
    rows, _ = rows_in(to)
    assert rows.shape == (12, 8, 8, 1)
    np.testing.assert_allclose(rows[:10], saved.rows, atol=1e-6)
    assert json.loads(storage.read_text(f"{program}/{sampling.ABOUT}"))["row_shape"] == [8, 8, 1]
    made = export.deserialize(bytearray(storage.read_bytes(f"{program}/{sampling.PROGRAM}")))
    latent = json.loads(storage.read_text(f"{program}/{sampling.ABOUT}"))["latent"]
    z = networks.codes(
        config.load(f"{uri}/config.yaml").coupling.network,  # type: ignore[attr-defined]
        generation.sample_key(0),
        10,
    )
    assert z.shape == (10, latent)
    np.testing.assert_allclose(made.call(z), saved.rows, atol=1e-6)
    assert "Between codes" in storage.read_text(f"{uri}/report.html")
    # Nobody trains another one, and puts it in the place of the run's.
    (tmp_path / "autoencoder.npz").unlink()
    done = subprocess.run(
        [sys.executable, "-m", "ganntk", "sample", uri, "--points", "3"],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 2
    assert "no weights of the run's autoencoder at" in done.stderr
    assert not os.path.exists(weights)


def test_codes_of_another_autoencoder_are_not_decoded():
    words = ["--data.type", "encoded", "--data.of.size", "8", "--data.channels", "[4]"]
    source = config.load(None, [*words, "--data.steps", "2"]).data
    codes = source.load()
    decoder = source.decoder(codes.fingerprint)
    assert decoder is not None
    np.testing.assert_allclose(decoder(codes.rows), source.shown(codes.rows), atol=1e-6)
    other = config.load(None, [*words, "--data.steps", "3"]).data.load()
    with pytest.raises(InputError, match="is not that of the run"):
        source.decoder(other.fingerprint)


def test_what_cannot_be_sampled_is_said(capsys, run_uri, tmp_path):
    points = str(tmp_path / "points")
    assert main(["synthesize", "--kernel", "fnn", "--steps", "1", "--run_uri", points]) == 0
    for words, status, sentence in [
        ([points, "--points", "3"], 2, "trained no generator"),
        ([run_uri, "--points", "0"], 2, "--points is 0"),
        ([run_uri, "--points", "3", "--step", "4"], 1, "has no checkpoint of step 4: there are"),
        ([str(tmp_path / "none"), "--points", "3"], 2, "none"),
    ]:
        assert main(["sample", *words]) == status
        assert sentence in capsys.readouterr().err
