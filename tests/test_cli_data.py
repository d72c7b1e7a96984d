"""The commands `ganntk data convert` and `ganntk data describe`, as a person meets them."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from ganntk import storage
from ganntk.cli import main
from ganntk.data.celeba import CelebA
from ganntk.data.detection import source_at
from ganntk.data.parquet import Parquet
from tests.data import drawn, real


def run(capsys, *words):
    status = main(["data", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def faces(tmp_path) -> str:
    return drawn.celeba(tmp_path / "celeba")


def test_convert_ends_with_one_json_object(capsys, faces, tmp_path):
    target = str(tmp_path / "parquet")
    mapping = f"{{type: celeba, uri: {faces}, where: Male, side: 6}}"
    status, out, err = run(capsys, "convert", mapping, target, "--rows-per-part", "3")
    assert status == 0
    result = json.loads(out.splitlines()[-1])
    assert (result["rows"], result["parts"], result["shape"]) == (4, 2, [6, 6, 3])
    assert result["uri"] == target
    assert result["images_per_second"] > 0
    assert "4/4 images" in err


def test_convert_takes_a_folder_as_it_is(capsys, faces, tmp_path):
    assert run(capsys, "convert", faces, str(tmp_path / "parquet"))[0] == 0
    data = Parquet(uri=str(tmp_path / "parquet"), where="Male & Bald").load()
    assert sorted(drawn.numbers(data.rows)) == [5, 7]


def test_broken_pictures_are_refused_or_listed(capsys, faces, tmp_path):
    (tmp_path / "celeba" / "img_align_celeba" / "000003.jpg").write_bytes(b"")
    target = str(tmp_path / "parquet")
    status, out, err = run(capsys, "convert", faces, target)
    assert (status, out) == (2, "")
    assert err.startswith("ganntk: 1 of 8 pictures are broken") or "ganntk: 1 of 8" in err
    assert drawn.remains(target) == []
    status, out, err = run(capsys, "convert", faces, target, "--skip-broken")
    assert status == 0
    assert json.loads(out)["skipped"] == 1
    assert "left out: " in err
    assert "000003.jpg is an empty file" in err


@pytest.mark.parametrize("kind", ["celeba", "imagenet", "parquet", "folder"])
def test_describe_says_what_there_is(capsys, tmp_path, kind):
    uri = drawn.imagenet(tmp_path / kind) if kind == "imagenet" else drawn.celeba(tmp_path / kind)
    expected = {"celeba": "Male (4)", "imagenet": "985 daisy (3)", "parquet": "Male (4)"}
    if kind == "parquet":
        run(capsys, "convert", uri, str(tmp_path / "converted"))
        uri = str(tmp_path / "converted")
    if kind == "folder":
        uri = f"{uri}/img_align_celeba"
    sheet = tmp_path / "sheet.png"
    status, out, _ = run(capsys, "describe", uri, "--sheet", str(sheet))
    assert status == 0
    assert "12 x 10 x 3" in out
    assert f"rows         {7 if kind == 'imagenet' else 8}\n" in out
    assert expected.get(kind, "") in out
    assert Image.open(sheet).size[0] >= 480


def test_describe_shows_pictures_of_mixed_sizes(capsys, tmp_path):
    drawn.write(tmp_path / "x" / "a.png", 3)
    drawn.write(tmp_path / "x" / "b.png", 4, height=30, channels=1)
    sheet = tmp_path / "sheet.png"
    status, out, _ = run(capsys, "describe", str(tmp_path / "x"), "--sheet", str(sheet))
    assert status == 0
    assert "12 x 10 x 3 (1), 30 x 10 x 1 (1)" in out
    assert np.asarray(Image.open(sheet)).std() > 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["describe", "./nothing/here"], "there is nothing at ./nothing/here"),
        (["describe", "digit"], "did you mean digits"),
        (["describe", "digits", "more"], "unexpected 'more'"),
        (["describe", "s4://bucket"], "cannot use the address s4://bucket"),
        (["convert", "digits", "abfs://host/x"], "the driver for abfs://"),
        (["convert", "digits", "{target}", "--address", "127.0.0.1:9"], "no Ray cluster answers"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(capsys, tmp_path, words, sentence):
    target = str(tmp_path / "target")
    status, out, err = run(capsys, *(word.format(target=target) for word in words))
    assert (status, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert drawn.remains(target) == []


def test_a_folder_is_known_by_what_is_in_it(faces, tmp_path):
    assert source_at(faces) == CelebA(uri=faces)
    assert source_at("x/y.parquet") == Parquet(uri="x/y.parquet")


@real.needs("cifar-10-batches-py")
@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("cifar-10-batches-py", ["rows         5,085", "7 horse (516)", "32 x 32 x 3"]),
        ("mnist", ["rows         20,000", "28 x 28 x 1"]),
        ("celeba", ["rows         1,164", "218 x 178 x 3", "Straight_Hair ("]),
        ("imagenet", ["rows         400", "985 daisy (400)", "128 x 128 x 3"]),
    ],
)
def test_the_real_sets_are_described(capsys, tmp_path, name, lines):
    sheet = str(tmp_path / "sheet.png")
    status, out, _ = run(capsys, "describe", real.uri(name), "--sheet", sheet)
    assert status == 0
    for line in lines:
        assert line in out


@pytest.mark.ray
def test_ray_writes_the_same_set(tmp_path, faces):
    # In a process of its own: Ray reads its variables once.
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    for address, target in (("none", here), ("local", there)):
        words = ["convert", faces, target, "--rows-per-part", "3", "--address", address]
        done = subprocess.run(
            [sys.executable, "-m", "ganntk", "data", *words],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
        )
        assert done.returncode == 0, done.stderr
    assert storage.list_files(there)
    for one in storage.list_files(here):
        other = one.replace(here, there)
        assert storage.read_bytes(one) == storage.read_bytes(other)


@pytest.mark.ray
def test_a_refusal_on_ray_is_one_sentence_and_leaves_nothing(tmp_path, faces):
    drawn.write(tmp_path / "celeba" / "img_align_celeba" / "000007.jpg", 7, height=20)
    target = str(tmp_path / "there")
    words = ["convert", faces, target, "--rows-per-part", "4", "--address", "local"]
    done = subprocess.run(
        [sys.executable, "-m", "ganntk", "data", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 2
    assert "ganntk: the images have mixed sizes" in done.stderr.splitlines()[-1]
    assert drawn.remains(target) == []
