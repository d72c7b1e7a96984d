"""A set on an S3 server, and a synthesis straight from it."""

from collections.abc import Iterator

import numpy as np
import pytest

from ganntk import config, storage
from ganntk.data import conversion
from ganntk.data.celeba import CelebA
from ganntk.data.folder import Folder
from ganntk.data.parquet import Parquet
from ganntk.distributed import run
from ganntk.errors import InputError
from ganntk.run_folder import RunFolder
from tests.checkpoint.conftest import environment, forget_stores
from tests.checkpoint.s3 import BUCKET, served
from tests.data import drawn, real

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served() as url:
        yield url


@pytest.fixture
def bucket(server, monkeypatch, request) -> Iterator[str]:
    for name, value in environment(server).items():
        monkeypatch.setenv(name, value)
    forget_stores()
    yield f"s3://{BUCKET}/{request.node.name}"
    forget_stores()


class Silent:
    """Nobody watches these runs."""

    def phase(self, sentence: str) -> None:
        """Say nothing."""

    def step(self, step: int, steps: int, loss: float, images_per_second: float) -> None:
        """Say nothing."""


def synthesised(data_uri: str, run_uri: str, **data) -> np.ndarray:
    options = {"type": "parquet", "uri": data_uri, "size": 16, **data}
    configuration = {
        "run_uri": run_uri, "data": options, "kernel": "fnn", "lam": 30, "steps": 5,
    }  # fmt: skip
    found = run(config.layered(configuration, {}), Silent())
    assert found.steps == 5
    saved = RunFolder.open(run_uri).read_images()
    assert saved is not None
    return saved.rows


def converted_twice(source: CelebA, local: str, remote: str) -> tuple[dict, dict]:
    """The manifests of the same conversion to two places."""
    first, second = (conversion.convert(conversion.begin(source, uri)) for uri in (local, remote))
    return first, second


def test_a_set_on_s3_is_the_set_on_disk(bucket, tmp_path):
    faces = CelebA(uri=drawn.celeba(tmp_path / "celeba", 20))
    first, second = converted_twice(faces, str(tmp_path / "parquet"), bucket)
    assert first == second
    options = {"where": "Male", "size": 6, "seed": 2}
    ours, theirs = (
        Parquet(uri=uri, **options).load() for uri in (bucket, str(tmp_path / "parquet"))
    )
    np.testing.assert_array_equal(ours.rows, theirs.rows)
    assert ours.fingerprint == theirs.fingerprint


def test_a_synthesis_from_s3_gives_the_images_of_one_from_disk(bucket, tmp_path):
    faces = CelebA(uri=drawn.celeba(tmp_path / "celeba", 20))
    converted_twice(faces, str(tmp_path / "parquet"), bucket)
    ours = synthesised(f"{bucket}", str(tmp_path / "one"), side=8)
    theirs = synthesised(str(tmp_path / "parquet"), str(tmp_path / "two"), side=8)
    np.testing.assert_array_equal(ours, theirs)


def test_pictures_on_s3_are_converted_or_refused_as_those_on_disk(bucket, tmp_path):
    for number in range(4):
        storage.write_bytes(f"{bucket}/in/{number}.png", drawn.encoded(drawn.picture(number)))
    conversion.convert(conversion.begin(Folder(uri=f"{bucket}/in"), f"{bucket}/out"))
    assert sorted(drawn.numbers(Parquet(uri=f"{bucket}/out").load().rows)) == [0, 1, 2, 3]
    storage.write_bytes(f"{bucket}/in/2.png", b"")
    with pytest.raises(InputError, match=r"1 of 4 pictures are broken \(s3://.*2.png is an empty"):
        conversion.convert(conversion.begin(Folder(uri=f"{bucket}/in"), f"{bucket}/again"))
    assert storage.list_files(f"{bucket}/again") == []


def test_a_bucket_that_is_not_there_is_one_sentence(bucket):
    with pytest.raises(InputError, match="s3://no-such-bucket") as caught:
        Parquet(uri="s3://no-such-bucket/x").load()
    assert "\n" not in str(caught.value)


@real.needs("celeba")
def test_the_real_faces_are_synthesised_alike_from_disk_and_from_s3(bucket, tmp_path):
    faces = CelebA(uri=real.uri("celeba"), side=32, crop="148x148")
    first, second = converted_twice(faces, str(tmp_path / "parquet"), bucket)
    assert first == second
    assert first["rows"] == 1164
    options = {"where": "Male & Straight_Hair"}
    ours = synthesised(bucket, str(tmp_path / "one"), **options)
    theirs = synthesised(str(tmp_path / "parquet"), str(tmp_path / "two"), **options)
    assert ours.shape == (16, 32, 32, 3)
    np.testing.assert_array_equal(ours, theirs)
