"""Whatever happens to files: the last whole checkpoint is found, or a sentence names the damage."""

import builtins
import errno
import itertools
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from ganntk import storage
from ganntk.checkpoint import store
from ganntk.checkpoint.policy import Checkpoints
from ganntk.checkpoint.trees import rebuilt
from ganntk.checkpoint.writer import Writer
from ganntk.errors import CheckpointError, InputError
from ganntk.storage import trees as storage_trees
from tests.checkpoint.conftest import state

POLICY = Checkpoints(keep=5)


def written(run: str, *steps: int, policy: Checkpoints = POLICY) -> None:
    """Commit the states of some steps, one after the other."""
    writer = Writer(run, policy, fingerprint="f", data_fingerprint="d")
    for step in steps:
        writer.save(step, state(step))
        writer.wait()
    writer.close()


def restored(run: str) -> int:
    """The step that comes back, every number as it was."""
    found, leaves = store.restore(run)
    tree, wanted = rebuilt(leaves, state(0)), state(found.step)
    for name in wanted:
        np.testing.assert_array_equal(tree[name], wanted[name])
    assert found.manifest.fingerprint == "f"
    return found.step


@pytest.fixture(params=["local", "memory"])
def run(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "run")
    return f"memory://store-{abs(hash(request.node.nodeid))}"


def test_what_is_committed_is_listed_verified_and_restored(run):
    written(run, 10, 20)
    assert [found.step for found in store.listed(run)] == [10, 20]
    last = store.latest(run)
    assert last is not None
    store.verify(last)
    assert last.manifest.size > 2400
    assert restored(run) == 20


def test_old_checkpoints_go_by_the_policy_and_files_of_none_are_left(run):
    written(run, *range(10, 80, 10), policy=Checkpoints(keep=2, keep_every=30))
    assert [found.step for found in store.listed(run)] == [30, 60, 70]
    assert storage.folders_in(f"{run}/checkpoints") == ["00000030", "00000060", "00000070"]
    assert not storage.exists(f"{run}/checkpoints/writer.json")


def test_a_checkpoint_that_goes_while_they_are_listed_is_none(run, monkeypatch):
    written(run, 10, 20)
    folders_in = storage.folders_in

    def looks_and_removes(uri):
        names = folders_in(uri)
        storage.remove(f"{uri}/00000010")
        return names

    monkeypatch.setattr(storage, "folders_in", looks_and_removes)
    assert [found.step for found in store.listed(run)] == [20]


@pytest.fixture
def impatient(monkeypatch):
    """Wait a hundredth of the usual pauses."""
    monkeypatch.setattr(storage_trees, "_FIRST_PAUSE_SECONDS", 0.005)


@pytest.mark.parametrize("is_passing", [True, False], ids=["passing", "lasting"])
@pytest.mark.parametrize("name", ["stat", "open"])
def test_a_disk_that_fails_costs_no_committed_checkpoint(
    tmp_path, impatient, monkeypatch, name, is_passing
):
    run = str(tmp_path / "run")
    written(run, 10, 20)
    module = os if name == "stat" else builtins
    works, faults = getattr(module, name), itertools.count()

    def fails(path, *arguments, **options):
        is_hit = str(path).endswith("00000020/manifest.json")
        if is_hit and (not is_passing or next(faults) < 2):
            raise OSError(errno.EIO, "Input/output error", str(path))
        return works(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, fails)
        if is_passing:
            store.clean(run)
            assert [found.step for found in store.listed(run)] == [10, 20]
        else:
            with pytest.raises(OSError, match="Input/output error"):
                store.clean(run) if name == "stat" else store.listed(run)
    assert restored(run) == 20


def test_a_folder_without_checkpoints_says_so(run):
    with pytest.raises(CheckpointError, match="has no checkpoint"):
        store.restore(run)
    assert store.latest(run) is None


def files_of(run: str, step: int) -> list[Path]:
    folder = Path(run) / "checkpoints" / f"{step:08d}"
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-2]),
    "flipped": flip,
    "deleted": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_any_damaged_file_is_noticed_and_the_checkpoint_before_is_restored(
    tmp_path, damage, caplog
):
    run = str(tmp_path)
    written(run, 10, 20)
    for path in files_of(run, 20):
        whole = path.read_bytes()
        caplog.clear()
        DAMAGES[damage](path)
        assert restored(run) == 10, path
        if path.name != "manifest.json" or damage != "deleted":
            assert path.name in caplog.text  # a missing manifest means that it was never committed
        path.write_bytes(whole)
    assert restored(run) == 20


@pytest.mark.parametrize("damage", ["truncated", "flipped", "deleted"])
def test_when_no_checkpoint_is_whole_the_sentence_names_the_file(tmp_path, damage):
    written(str(tmp_path), 10)
    path = max(files_of(str(tmp_path), 10), key=lambda each: each.stat().st_size)
    DAMAGES[damage](path)
    with pytest.raises(CheckpointError, match=rf"no checkpoint .* is whole: .*{path.name}"):
        store.restore(str(tmp_path))
    (found,) = store.listed(str(tmp_path))
    with pytest.raises(CheckpointError, match=path.name):
        store.verify(found)


def test_a_step_that_is_written_again_replaces_its_damaged_self(tmp_path):
    run = str(tmp_path)
    written(run, 10, 20)
    DAMAGES["flipped"](max(files_of(run, 20), key=lambda each: each.stat().st_size))
    assert restored(run) == 10
    written(run, 20)
    assert restored(run) == 20
    assert [found.step for found in store.listed(run)] == [10, 20]


def test_an_upload_that_was_cut_counts_for_nothing_and_is_cleaned(tmp_path):
    run = str(tmp_path)
    written(run, 10, 20)
    half = tmp_path / "checkpoints" / "00000030" / "tree"
    half.mkdir(parents=True)
    (half / "d").write_bytes(b"half")
    assert restored(run) == 20
    written(run, 40)
    assert not half.exists()
    assert restored(run) == 40


def test_a_second_writer_is_refused_and_may_write_later(run):
    first = Writer(run, POLICY, fingerprint="f", data_fingerprint="d")
    with pytest.raises(InputError, match="another run writes there"):
        Writer(run, POLICY, fingerprint="f", data_fingerprint="d")
    first.save(10, state(10))
    first.close()
    written(run, 20)
    assert restored(run) == 20


def test_a_writer_that_was_taken_over_commits_nothing_more(tmp_path):
    run = str(tmp_path)
    first = Writer(run, POLICY, fingerprint="f", data_fingerprint="d")
    first.save(10, state(10))
    first.wait()
    os.unlink(tmp_path / "checkpoints" / "writer.json")
    second = Writer(run, POLICY, fingerprint="f", data_fingerprint="d")
    first.save(20, state(20))
    with pytest.raises(CheckpointError, match="as the writer of this folder, not this run"):
        first.wait()
    with pytest.raises(CheckpointError, match="not this run"):
        first.save(30, state(30))
    assert restored(run) == 10
    second.save(40, state(40))
    second.close()
    assert restored(run) == 40


def test_the_newest_state_wins_when_uploads_are_slow(tmp_path, caplog, monkeypatch):
    gate, taken = threading.Event(), threading.Event()
    upload = store.upload

    def slow(*arguments):
        taken.set()
        assert gate.wait(60)
        return upload(*arguments)

    monkeypatch.setattr(store, "upload", slow)
    writer = Writer(str(tmp_path), POLICY, fingerprint="f", data_fingerprint="d")
    writer.save(10, state(10))
    assert taken.wait(60)
    for step in (20, 30, 40):
        writer.save(step, state(step))
    gate.set()
    writer.close()
    assert [found.step for found in store.listed(str(tmp_path))] == [10, 40]
    assert "checkpoint of step 20 was not written: that of step 30 is newer" in caplog.text
    assert writer.progress.step == 40


def test_a_state_is_not_committed_before_what_comes_first_and_nobody_waits_for_that(run, caplog):
    gate, done = threading.Event(), []

    def records() -> None:
        assert gate.wait(60)
        done.append([found.step for found in store.listed(run)])

    def broken() -> None:
        raise OSError("the log cannot be put")

    writer = Writer(run, POLICY, fingerprint="f", data_fingerprint="d")
    writer.save(10, state(10), first=records)
    gate.set()
    writer.wait()
    assert done == [[]]
    writer.save(20, state(20), first=broken)
    with pytest.raises(CheckpointError, match="the log cannot be put"):
        writer.wait()
    assert restored(run) == 10
    writer.save(30, state(30))
    writer.close()
    assert restored(run) == 30


def test_temporary_checkpoints_go_with_the_next_one(run):
    writer = Writer(run, POLICY, fingerprint="f", data_fingerprint="d")
    for step, is_temporary in ((10, False), (15, True), (20, False), (25, True)):
        writer.save(step, state(step), is_temporary=is_temporary)
        writer.wait()
    writer.close()
    assert [found.step for found in store.listed(run)] == [10, 20, 25]


def test_staging_is_left_empty_and_what_dead_processes_left_is_removed(tmp_path):
    staging = tmp_path / "staging"
    abandoned = staging / "ganntk-staging-4194305-x"  # above the largest process id
    abandoned.mkdir(parents=True)
    (staging / "mine").mkdir()
    written(str(tmp_path / "run"), 10, policy=Checkpoints(staging=str(staging)))
    assert [path.name for path in staging.iterdir()] == ["mine"]


def test_a_staging_folder_that_another_machine_lacks_is_made(tmp_path):
    run, staging = str(tmp_path / "run"), tmp_path / "not" / "there"
    writer = Writer(run, POLICY, fingerprint="f", data_fingerprint="d")
    writer.save(20, state(20), kept=(15, state(15)))
    writer.close()
    found, _ = store.restore(run, staging=str(staging))
    assert found.step == 20
    staging.rmdir()
    assert store.kept_in(found, staging=str(staging)) is not None
    assert list(staging.iterdir()) == []


def test_a_full_staging_disk_fails_loudly_and_loses_nothing(tmp_path):
    run = str(tmp_path / "run")
    written(run, 10)
    small = mounted(tmp_path / "small")
    try:
        policy = Checkpoints(staging=str(small))
        writer = Writer(run, policy, fingerprint="f", data_fingerprint="d")
        writer.save(20, state(20, size=200_000))
        with pytest.raises(
            CheckpointError, match=r"staging folder .* bytes free .* choose another"
        ):
            writer.close()
        assert restored(run) == 10
        # It looks as if there were room, and there is not: Orbax itself fails.
        writer = Writer(run, policy, fingerprint="f", data_fingerprint="d")
        (small / "filling").write_bytes(bytes(900_000))
        writer.save(30, state(30, size=5_000))
        with pytest.raises(CheckpointError, match=r"could not be written|no checkpoint could"):
            writer.close()
        assert restored(run) == 10
        assert writer.progress.failures == 1
    finally:
        os.system(f"umount {small}")


def mounted(folder: Path) -> Path:
    """A disk of one megabyte."""
    folder.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {folder} 2>/dev/null") != 0:
        pytest.skip("a small disk needs root and the right to mount")
    return folder


def test_a_failure_is_forgotten_when_the_next_checkpoint_is_committed(tmp_path):
    blocked = tmp_path / "run" / "checkpoints" / "00000010"
    writer = Writer(str(tmp_path / "run"), POLICY, fingerprint="f", data_fingerprint="d")
    blocked.write_text("a file where a folder must be")
    writer.save(10, state(10))
    with pytest.raises(CheckpointError, match="no checkpoint could be written"):
        writer.wait()
    writer.save(20, state(20))
    writer.close()
    assert restored(str(tmp_path / "run")) == 20


def test_a_state_that_is_kept_goes_with_its_checkpoint_and_comes_back(tmp_path):
    run = str(tmp_path)
    writer = Writer(run, POLICY, fingerprint="f", data_fingerprint="d")
    writer.save(10, state(10))
    writer.wait()
    writer.save(20, state(20), kept=(15, state(15)))
    writer.close()
    first, second = store.listed(run)
    assert store.kept_in(first) is None
    found = store.kept_in(second)
    assert found is not None
    step, leaves = found
    assert step == 15
    tree, wanted = rebuilt(leaves, state(0)), state(15)
    for name in wanted:
        np.testing.assert_array_equal(tree[name], wanted[name])
    assert restored(run) == 20
    file = next(f for f in second.manifest.files if f.path.startswith("kept-"))
    Path(second.uri, file.path).unlink()
    with pytest.raises(CheckpointError, match="kept-00000015"):
        store.kept_in(second)
    assert restored(run) == 10
