import re
import subprocess
import sys

import pytest

from ganntk import storage
from ganntk.data.folder import Folder
from ganntk.errors import InputError
from tests.data import drawn


def make(folder, *names: str) -> str:
    for number, name in enumerate(names):
        drawn.write(folder / name, number)
    return str(folder)


def test_pictures_of_a_flat_folder_have_no_classes(tmp_path):
    data = Folder(uri=make(tmp_path, "a.png", "b.JPG", "c.tiff")).load()
    assert sorted(drawn.numbers(data.rows)) == [0, 1, 2]
    assert data.labels is None


def test_subfolders_are_classes(tmp_path):
    uri = make(tmp_path, "cats/a.png", "dogs/old/b.png", "dogs/c.png")
    data = Folder(uri=uri, classes=("dogs",)).load()
    assert sorted(drawn.numbers(data.rows)) == [1, 2]
    assert Folder(uri=uri).contents().class_names == {0: "cats", 1: "dogs"}


def test_folders_that_are_numbers_are_asked_for_by_them(tmp_path):
    uri = make(tmp_path, "03/a.png", "03/b.png", "8/c.png", "8/d.png")
    for wanted, expected in ((3, [0, 1]), ("03", [0, 1]), (8, [2, 3])):
        assert sorted(drawn.numbers(Folder(uri=uri, classes=(wanted,)).load().rows)) == expected


def test_a_picture_beside_the_subfolders_means_there_are_no_classes(tmp_path):
    assert Folder(uri=make(tmp_path, "cats/a.png", "b.png")).load().labels is None


def test_other_files_and_hidden_ones_are_passed_over(tmp_path):
    uri = make(tmp_path, "a.png", "b.png", "._c.png", ".hidden/d.png")
    (tmp_path / "notes.txt").write_text("no picture")
    assert sorted(drawn.numbers(Folder(uri=uri).load().rows)) == [0, 1]


def test_any_storage_will_do(tmp_path):
    for number in range(3):
        storage.write_bytes(f"memory://folder/x/{number}.png", drawn.encoded(drawn.picture(number)))
    data = Folder(uri="memory://folder").load()
    assert sorted(drawn.numbers(data.rows)) == [0, 1, 2]


def test_moved_pictures_keep_their_fingerprint(tmp_path):
    first, second = (make(tmp_path / name, "a.png", "b.png") for name in ("one", "two"))
    assert Folder(uri=first).load().fingerprint == Folder(uri=second).load().fingerprint


def test_another_shape_is_another_fingerprint(tmp_path):
    uri = make(tmp_path, "a.png", "b.png")
    assert len({Folder(uri=uri, side=side).load().fingerprint for side in (None, 8, 9)}) == 3


def test_mixed_sizes_need_a_side(tmp_path):
    uri = make(tmp_path, "a.png", "b.png")
    drawn.write(tmp_path / "c.png", 2, height=20)
    with pytest.raises(InputError, match=r"mixed sizes .*c\.png is 10 x 20.*give side"):
        Folder(uri=uri).load()
    assert Folder(uri=uri, side=8).load().rows.shape == (3, 8, 8, 3)


def test_grey_among_colours_needs_a_choice(tmp_path):
    uri = make(tmp_path, "a.png", "b.png")
    drawn.write(tmp_path / "c.png", 2, channels=1)
    with pytest.raises(InputError, match="give colour: grey or colour: rgb"):
        Folder(uri=uri).load()
    assert Folder(uri=uri, colour="grey").load().rows.shape == (3, 12, 10, 1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is an empty file: restore it or remove it"),
        (b"<html>", "is no picture"),
        (drawn.encoded(drawn.picture(0, 64, 64), "JPEG")[:600], "is cut short or damaged"),
    ],
)
def test_a_broken_picture_is_named(tmp_path, content, sentence):
    uri = make(tmp_path, "a.png", "b.png")
    (tmp_path / "c.jpg").write_bytes(content)
    with pytest.raises(InputError, match=f"{tmp_path / 'c.jpg'} {sentence}"):
        Folder(uri=uri).load()


def test_a_picture_that_may_not_be_read_is_named(tmp_path):
    uri = make(tmp_path, "a.png", "b.png")
    (tmp_path / "b.png").chmod(0)
    # The superuser may read everything, so a process loads them that is somebody else.
    program = (
        "import os, sys\n"
        "from PIL import Image\n"
        "from ganntk.data.folder import Folder\n"
        "Image.init()\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "Folder(uri=sys.argv[1]).load()\n"
    )
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    words = [sys.executable, "-c", program, uri]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert re.search(r"InputError: cannot open .*b\.png \(Permission denied\): check", done.stderr)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        (None, "has no uri"),
        ("{there}/nothing", "there are no pictures below .*nothing .no files"),
        ("{there}/notes", "1 files of other kinds"),
        ("{there}/a.png", "is one file, and a folder of pictures was expected"),
        ("nosuch://x/y", "cannot use the address nosuch://x/y"),
        ("abfs://host/x", "the driver for abfs:// of abfs://host/x is not installed: .*adlfs"),
        ("hdfs://host/x", "the driver for hdfs:// of hdfs://host/x cannot start"),
    ],
)
def test_a_folder_that_cannot_be_used_says_why(tmp_path, uri, sentence):
    make(tmp_path, "a.png")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("no picture")
    with pytest.raises(InputError, match=sentence):
        Folder(uri=uri and uri.format(there=tmp_path)).load()
