import errno
import importlib.util
import os
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganntk import storage
from ganntk.errors import InputError
from tests import stores

folder = stores.folder


def in_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize(
    ("uri", "parts", "joined"),
    [
        ("/runs", ("a", "b.png"), "/runs/a/b.png"),
        ("/", ("a",), "/a"),
        ("runs/", ("/samples/", "0.png"), "runs/samples/0.png"),
        ("s3://bucket", ("a",), "s3://bucket/a"),
        ("memory://", ("a",), "memory://a"),
        ("", ("a",), "a"),
        ("runs", (), "runs"),
    ],
)
def test_join_puts_one_slash_between_parts(uri, parts, joined):
    assert storage.join(uri, *parts) == joined


@given(content=st.binary(max_size=300))
def test_bytes_written_are_bytes_read(content):
    uri = "memory://round-trip/file.bin"
    storage.write_bytes(uri, content)
    assert storage.read_bytes(uri) == content


@given(content=st.binary(max_size=300))
def test_bytes_written_locally_are_bytes_read(tmp_path_factory, content):
    uri = tmp_path_factory.getbasetemp() / "file.bin"
    storage.write_bytes(uri, content)
    assert storage.read_bytes(uri) == content


def test_of_several_writers_of_a_new_file_the_first_one_wins(folder):
    uri = storage.join(folder, "a.bin")
    assert storage.write_new(uri, b"first")
    assert not storage.write_new(uri, b"second")
    assert storage.read_bytes(uri) == b"first"
    assert storage.list_files(folder, cut_off=True) == []
    storage.write_bytes(uri, b"third")
    assert storage.read_bytes(uri) == b"third"


def test_a_disk_without_hard_links_takes_a_new_file_all_the_same(tmp_path, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    uri = str(tmp_path / "weights")
    assert storage.write_new(uri, b"first")
    assert not storage.write_new(uri, b"second")
    assert storage.read_bytes(uri) == b"first"
    assert storage.list_files(tmp_path, cut_off=True) == []


def test_text_keeps_every_character(folder):
    storage.write_text(storage.join(folder, "a.txt"), "λ = 5.12\r\nend")
    assert storage.read_text(storage.join(folder, "a.txt")) == "λ = 5.12\r\nend"


def test_bytes_that_are_no_text_are_refused(folder):
    storage.write_bytes(storage.join(folder, "a.txt"), b"abc\xff")
    with pytest.raises(InputError, match="not a text file"):
        storage.read_text(storage.join(folder, "a.txt"))


def test_table_keeps_names_types_and_values(folder):
    table = pa.table({"step": pa.array([1, 2], pa.int32()), "loss": [0.25, 0.5]})
    storage.write_table(storage.join(folder, "images", "part-0.parquet"), table)
    assert storage.read_table(storage.join(folder, "images", "part-0.parquet")).equals(table)


def test_a_file_that_is_no_parquet_is_refused(folder):
    storage.write_text(storage.join(folder, "x.parquet"), "hello, this is text")
    with pytest.raises(InputError, match=r"x\.parquet is not a Parquet file"):
        storage.read_table(storage.join(folder, "x.parquet"))


def test_open_read_streams_parts_of_a_file(folder):
    storage.write_bytes(storage.join(folder, "a"), b"0123456789")
    with storage.open_read(storage.join(folder, "a")) as stream:
        stream.seek(4)
        assert stream.read(3) == b"456"


def test_errors_of_the_reader_are_not_renamed(folder):
    storage.write_bytes(storage.join(folder, "a"), b"x")
    with (
        pytest.raises(FileNotFoundError, match="mine"),
        storage.open_read(storage.join(folder, "a")),
    ):
        raise FileNotFoundError("mine")


def test_a_missing_file_says_check_the_path(folder):
    with pytest.raises(InputError, match=r"no file at .*nothing\.npz: check the path"):
        storage.read_bytes(storage.join(folder, "nothing.npz"))


def test_a_folder_is_not_read_as_a_file(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        storage.read_bytes(tmp_path)


def test_exists_knows_files_folders_and_nothing(folder):
    storage.write_bytes(storage.join(folder, "a", "b"), b"")
    assert storage.exists(storage.join(folder, "a", "b"))
    assert storage.exists(storage.join(folder, "a"))
    assert not storage.exists(storage.join(folder, "c"))


def test_a_disk_that_does_not_answer_is_no_absence(tmp_path, monkeypatch):
    assert not storage.exists(tmp_path / "file" / "below")
    (tmp_path / "file").write_bytes(b"")
    assert not storage.exists(tmp_path / "file" / "below")

    def fails(path, **_):
        raise OSError(errno.EIO, "Input/output error", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fails)
        with pytest.raises(OSError, match="Input/output error"):
            storage.exists(tmp_path / "file")


def test_files_are_listed_at_any_depth_in_order(folder):
    for name in ("b.png", "a/2.png", "a/1.png", "a/deep/3.json"):
        storage.write_bytes(storage.join(folder, name), b"")
    assert storage.list_files(folder) == [
        storage.join(folder, name) for name in ("a/1.png", "a/2.png", "a/deep/3.json", "b.png")
    ]
    assert storage.list_files(folder, suffix=".json") == [storage.join(folder, "a/deep/3.json")]


def test_listed_files_can_be_read_again(folder):
    storage.write_bytes(storage.join(folder, "a/b"), b"here")
    assert [storage.read_bytes(uri) for uri in storage.list_files(folder)] == [b"here"]


def test_a_folder_whose_name_begins_the_same_is_not_listed(folder):
    storage.write_bytes(storage.join(folder, "run", "a"), b"")
    storage.write_bytes(storage.join(folder, "run2", "b"), b"")
    storage.write_bytes(storage.join(folder, "run.txt"), b"")
    uri = storage.join(folder, "run")
    assert storage.list_files(uri) == [storage.join(uri, "a")]


def test_a_folder_that_does_not_exist_has_no_files(folder):
    assert storage.list_files(storage.join(folder, "nothing")) == []


def test_a_single_file_lists_as_itself(folder):
    uri = storage.join(folder, "a.png")
    storage.write_bytes(uri, b"")
    assert storage.list_files(uri) == [uri]


def test_make_folder_leaves_nothing_inside(folder):
    storage.make_folder(folder)
    storage.make_folder(folder)
    assert storage.list_files(folder) == []


def test_a_folder_that_cannot_be_made_says_why(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r"cannot write into the folder .*/file/run \(Not a dir"):
        storage.make_folder(tmp_path / "file" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_write_permission_says_why(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        storage.make_folder(tmp_path)


def test_a_write_that_fails_leaves_the_old_file(folder):
    uri = storage.join(folder, "result.json")
    storage.write_text(uri, "old")
    with pytest.raises(TypeError), storage.open_write(uri) as stream:
        stream.writelines([b"half of the n", None])
    assert storage.read_text(uri) == "old"
    assert storage.list_files(folder) == [uri]


def test_a_failed_write_leaves_no_sibling(tmp_path):
    with pytest.raises(RuntimeError), storage.open_write(tmp_path / "a"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_sibling_of_a_killed_writer_is_not_listed(tmp_path):
    (tmp_path / ".a.png.0123.partial").write_bytes(b"half")
    assert storage.list_files(tmp_path) == []


def test_written_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    storage.write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_paths_may_be_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage.write_text("a/b.txt", "x")
    assert storage.list_files("a") == ["a/b.txt"]
    assert (tmp_path / "a" / "b.txt").read_text() == "x"


def test_an_unknown_scheme_names_the_address():
    with pytest.raises(InputError, match=r"cannot use the address foo://x.*scheme of fsspec"):
        storage.exists("foo://x")


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_driver_names_the_extra(scheme, package):
    printed = in_new_process(
        f"import sys; sys.modules[{package!r}] = None\n"
        "from ganntk import storage\n"
        f"try: storage.exists('{scheme}://bucket/x')\n"
        "except ValueError as error: print(error)"
    )
    assert printed.strip().endswith(f"is not installed: pip install ganntk[{scheme}]")


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is None, reason="needs s3fs")
def test_an_object_store_without_credentials_is_an_input_error():
    printed = in_new_process(
        "import os\n"
        "os.environ |= {'AWS_CONFIG_FILE': '/dev/null', 'AWS_EC2_METADATA_DISABLED': 'true',\n"
        "  'AWS_SHARED_CREDENTIALS_FILE': '/dev/null', 'AWS_ENDPOINT_URL': 'http://127.0.0.1:9'}\n"
        "for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE'):\n"
        "  os.environ.pop(name, None)\n"
        "from ganntk import storage\n"
        "try: storage.make_folder('s3://bucket/x')\n"
        "except ValueError as error: print(error)"
    )
    assert printed.startswith("cannot write into the folder s3://bucket/x (Unable to locate cred")


def test_a_folder_that_may_not_be_read_is_named(tmp_path):
    for name in ("a", "b"):
        storage.write_bytes(tmp_path / name / "x", b"")
    (tmp_path / "b").chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    # The superuser may read everything, so a process looks that is somebody else.
    printed = in_new_process(
        "import os\n"
        "from ganntk import storage\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        f"try: print(storage.list_files({str(tmp_path)!r}))\n"
        "except ValueError as error: print(error)"
    )
    sentence = f"cannot read the folder {tmp_path / 'b'} (Permission denied): change its"
    assert printed.startswith(sentence)


def test_a_link_to_a_folder_is_listed_and_not_followed(tmp_path):
    storage.write_bytes(tmp_path / "a" / "x", b"")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    assert storage.list_files(tmp_path) == [str(tmp_path / "a" / "back"), str(tmp_path / "a" / "x")]


def test_a_call_is_made_again_after_longer_and_longer_pauses():
    pauses, outcomes = [], iter([OSError("once"), TimeoutError("twice"), 7])

    def call():
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert storage.patiently(call, "a call", pause=pauses.append) == 7
    assert len(pauses) == 2
    assert 0.4 <= pauses[0] <= 0.6
    assert 0.8 <= pauses[1] <= 1.2


@pytest.mark.parametrize(
    ("error", "calls"),
    [(OSError("gone"), 5), (FileNotFoundError("x"), 1), (PermissionError("x"), 1)],
)
def test_patience_ends_and_is_not_wasted(error, calls):
    pauses, made = [], []

    def call():
        made.append(1)
        raise error

    with pytest.raises(type(error)):
        storage.patiently(call, "a call", pause=pauses.append)
    assert (len(made), len(pauses)) == (calls, calls - 1)
