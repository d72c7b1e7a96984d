"""Files that grow by lines."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganntk import storage
from ganntk.errors import InputError
from tests import stores

folder = stores.folder


def test_log_continues_where_it_was_closed(folder):
    uri = storage.join(folder, "metrics.jsonl")
    for lines in (["1", "2"], ["3"]):
        with storage.AppendLog(uri) as log:
            for line in lines:
                log.append(line)
    assert storage.read_text(uri) == "1\n2\n3\n"


def test_torn_last_line_is_dropped_on_reopening(folder):
    uri = storage.join(folder, "metrics.jsonl")
    storage.write_text(uri, '{"step": 1}\n{"step": 2}\n{"st')
    with storage.AppendLog(uri) as log:
        log.append('{"step": 2, "again": true}')
    assert storage.read_text(uri) == '{"step": 1}\n{"step": 2}\n{"step": 2, "again": true}\n'


@pytest.mark.parametrize("length", [1, 65_535, 65_536, 65_537, 200_000])
def test_torn_line_of_any_length_is_dropped(folder, length):
    uri = storage.join(folder, "metrics.jsonl")
    storage.write_text(uri, "kept\n" + "x" * length)
    storage.AppendLog(uri).close()
    assert storage.read_text(uri) == "kept\n"


@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"))))
def test_log_holds_every_line_in_order(lines):
    uri = f"memory://{secrets.token_hex(8)}/log"
    with storage.AppendLog(uri) as log:
        for line in lines:
            log.append(line)
            log.flush()
    assert storage.read_bytes(uri) == "".join(f"{line}\n" for line in lines).encode()


def test_local_lines_are_there_before_closing(tmp_path):
    log = storage.AppendLog(tmp_path / "metrics.jsonl")
    log.append("1")
    assert (tmp_path / "metrics.jsonl").read_text() == "1\n"
    log.close()


def test_flushed_lines_are_there_before_closing(folder):
    uri = storage.join(folder, "metrics.jsonl")
    log = storage.AppendLog(uri)
    log.append("1")
    log.flush()
    assert storage.read_text(uri) == "1\n"
    log.close()


def test_a_thread_that_is_late_puts_no_older_lines_over_newer_ones(folder):
    uri = storage.join(folder, "metrics.jsonl")
    log = storage.AppendLog(uri)
    log.append("1")
    late = log.storing()
    log.append("2")
    log.flush()
    late()
    assert storage.read_text(uri) == "1\n2\n"
    log.append("3")
    later = log.storing()
    log.close()
    later()
    log.storing()()
    assert storage.read_text(uri) == "1\n2\n3\n"


def test_what_is_stored_beside_is_what_was_appended_before():
    uri = f"memory://{secrets.token_hex(8)}/log"
    log = storage.AppendLog(uri)
    log.append("1")
    store = log.storing()
    log.append("2")
    store()
    assert storage.read_text(uri) == "1\n"
    log.close()
    assert storage.read_text(uri) == "1\n2\n"


def test_an_opened_log_exists_though_empty(folder):
    storage.AppendLog(storage.join(folder, "log")).close()
    assert storage.read_bytes(storage.join(folder, "log")) == b""


def test_closing_a_log_twice_is_harmless(folder):
    log = storage.AppendLog(storage.join(folder, "log"))
    log.close()
    log.close()


def test_a_line_break_in_a_line_is_refused(folder):
    with storage.AppendLog(storage.join(folder, "log")) as log, pytest.raises(InputError):
        log.append("a\nb")


def test_a_log_at_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder"):
        storage.AppendLog(tmp_path)
