"""One writer at a time, and what is known when there are two."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from ganntk import storage
from ganntk.checkpoint import lease as leases
from ganntk.checkpoint.lease import Lease
from ganntk.errors import CheckpointError, InputError


class Clock:
    """Time that passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def lease(uri: str, clock: Clock, seconds: float = 60) -> Lease:
    return Lease(uri, seconds, clock=clock, pause=clock.pause)


def elsewhere(uri: str) -> None:
    """Make it the file of another machine."""
    owner = json.loads(storage.read_text(uri))
    storage.write_text(uri, json.dumps(owner | {"host": "another/machine"}))


@pytest.fixture(params=["local", "memory"])
def uri(request, tmp_path):
    if request.param == "local":
        return str(tmp_path / "writer.json")
    return f"memory://lease-{abs(hash(request.node.nodeid))}/writer.json"


def test_a_second_writer_is_refused_with_the_name_of_the_first(uri):
    clock = Clock()
    first = lease(uri, clock)
    first.acquire()
    clock.now += 12
    with pytest.raises(
        InputError, match=f"another run writes there, {first.writer}, heard of 12 s"
    ):
        lease(uri, clock).acquire()
    first.check()
    first.release()
    lease(uri, clock).acquire()


def test_a_writer_that_was_silent_for_too_long_is_followed_and_finds_out(uri):
    clock = Clock()
    first, second = lease(uri, clock), lease(uri, clock)
    first.acquire()
    elsewhere(uri)
    clock.now += 50
    first.renew()
    elsewhere(uri)
    clock.now += 50
    with pytest.raises(InputError, match="10 s; or choose another run_uri"):
        second.acquire()
    clock.now += 11
    second.acquire()
    with pytest.raises(CheckpointError, match=f"names {second.writer} as the writer"):
        first.renew()
    first.release()  # which is no longer its own to give up
    second.check()


def test_a_writer_whose_process_is_gone_is_followed_at_once(uri):
    clock = Clock()
    lease(uri, clock).acquire()
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    owner = json.loads(storage.read_text(uri))
    storage.write_text(uri, json.dumps(owner | {"pid": gone.pid}))
    lease(uri, clock).acquire()
    storage.write_text(uri, json.dumps(owner | {"pid": gone.pid, "host": "another/machine"}))
    with pytest.raises(InputError, match="another run writes there"):
        lease(uri, clock).acquire()  # nothing is known of processes elsewhere


def test_of_two_that_start_together_one_gives_way(uri):
    clock = Clock()
    second = lease(uri, clock)

    def meanwhile(seconds: float) -> None:
        clock.now += seconds
        second._write()

    first = Lease(uri, 60, clock=clock, pause=meanwhile)
    with pytest.raises(InputError, match="another run writes there"):
        first.acquire()
    second.check()


@pytest.mark.parametrize("text", ["", "{}", "nonsense", "[1]"])
def test_a_file_that_names_nobody_is_nobodys(uri, text):
    storage.write_text(uri, text)
    clock = Clock()
    with pytest.raises(CheckpointError, match="names nobody"):
        lease(uri, clock).check()
    lease(uri, clock).acquire()


def test_a_process_of_another_user_is_alive(monkeypatch):
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert leases._is_alive(1)
    assert dataclasses.is_dataclass(leases._Owner)
