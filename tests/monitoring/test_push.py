"""`ganntk dashboards push` against a server that answers as Grafana does."""

import logging
from collections.abc import Iterator

import pytest

from ganntk.cli import main
from ganntk.errors import InputError
from ganntk.grafana import TOKEN_VARIABLE, Grafana
from tests.monitoring.grafana_server import FakeGrafana, serving

PROMETHEUS = ("--prometheus", "http://prometheus:9090")


@pytest.fixture
def grafana() -> FakeGrafana:
    return FakeGrafana()


@pytest.fixture
def push(grafana: FakeGrafana, capsys, caplog, monkeypatch) -> Iterator:
    """Push as a person does, and see status, output and errors; the token is nowhere."""
    monkeypatch.setenv(TOKEN_VARIABLE, grafana.token)
    caplog.set_level(logging.DEBUG)
    with serving(grafana) as url:

        def run(*words: str, to: str = url) -> tuple[int, str, str]:
            status = main(["--verbose", "dashboards", "push", "--url", to, *words])
            captured = capsys.readouterr()
            for text in (captured.out, captured.err, caplog.text):
                assert grafana.token not in text
            return status, captured.out, captured.err

        yield run


def test_a_push_brings_folder_data_source_and_dashboards(grafana, push):
    status, out, _ = push(*PROMETHEUS)
    assert status == 0
    assert out.splitlines() == [
        "create folder 'ganntk'",
        "create data source 'ganntk Prometheus'",
        "create dashboard 'ganntk: run'",
        "create dashboard 'ganntk: cluster'",
        "create dashboard 'ganntk: sweep'",
    ]
    assert set(grafana.boards) == {"ganntk-run", "ganntk-cluster", "ganntk-sweep"}
    assert {each["meta"]["folderUid"] for each in grafana.boards.values()} == {"ganntk-ganntk"}
    assert grafana.sources["ganntk-prometheus"]["url"] == "http://prometheus:9090"


def test_a_second_push_writes_nothing(grafana, push):
    push(*PROMETHEUS)
    grafana.calls.clear()
    status, out, _ = push(*PROMETHEUS)
    assert (status, grafana.writes) == (0, [])
    assert [line.split()[0] for line in out.splitlines()] == ["keep"] * 5


def test_a_dry_run_writes_nothing_and_says_what_it_would(grafana, push):
    status, out, _ = push("--dry-run", *PROMETHEUS)
    assert (status, grafana.writes) == (0, [])
    assert [line.split()[:2] for line in out.splitlines()] == [["would", "create"]] * 5


def test_what_was_changed_by_hand_is_as_the_sources_say_again(grafana, push):
    push()
    grafana.boards["ganntk-run"]["dashboard"]["title"] = "mine"
    grafana.calls.clear()
    _, out, _ = push()
    assert grafana.writes == ["POST /api/dashboards/db"]
    assert "update dashboard 'ganntk: run'" in out
    assert grafana.boards["ganntk-run"]["dashboard"]["title"] == "ganntk: run"


def test_a_dashboard_in_another_folder_is_moved(grafana, push):
    push()
    _, out, _ = push("--folder", "Imaging lab")
    assert out.splitlines()[0] == "create folder 'Imaging lab'"
    assert out.count("update dashboard") == 3
    assert {each["meta"]["folderUid"] for each in grafana.boards.values()} == {"ganntk-imaging-lab"}


def test_folders_with_titles_in_other_letters_are_two(grafana, push):
    assert [push("--folder", title)[0] for title in ("画像", "合成")] == [0, 0]
    assert {each["title"] for each in grafana.folders.values()} == {"画像", "合成"}


def test_a_folder_of_that_title_is_used_whatever_its_uid(grafana, push):
    grafana.folders["abc"] = {"uid": "abc", "title": "ganntk"}
    push()
    assert list(grafana.folders) == ["abc"]
    assert {each["meta"]["folderUid"] for each in grafana.boards.values()} == {"abc"}


def test_a_data_source_that_moved_keeps_what_others_set(grafana, push):
    push(*PROMETHEUS)
    there = grafana.sources["ganntk-prometheus"]
    there["basicAuth"], there["jsonData"]["tlsSkipVerify"] = True, True
    _, out, _ = push(*PROMETHEUS)
    assert "update data source" not in out
    _, out, _ = push("--prometheus", "http://elsewhere:9090")
    assert "update data source" in out
    found = grafana.sources["ganntk-prometheus"]
    assert (found["url"], found["basicAuth"]) == ("http://elsewhere:9090", True)
    assert found["jsonData"]["tlsSkipVerify"]
    assert found["jsonData"]["timeInterval"] == "10s"


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (401, "Invalid API key", "does not know the token"),
        (403, "Access denied", "needs the role Editor"),
        (404, "Not found", "is this the address of a Grafana"),
        (409, "a folder with that name exists", "choose another --folder"),
        (412, "changed by someone else", "then push again"),
        (500, "database is locked", "look at its log"),
        (502, "", "try again later"),
        (503, "starting", "try again later"),
    ],
)
def test_what_grafana_refuses_is_one_line(grafana, push, status, message, said):
    grafana.trouble = lambda method, path: (status, {"message": message})
    code, out, err = push()
    assert (code, out) == (2, "")
    [line] = _ours(err)
    assert line.startswith("ganntk: http://127.0.0.1:")
    assert f"was answered with {status}" in line
    assert message in line
    assert said in line


def test_a_conflict_when_a_dashboard_is_written_is_one_line(grafana, push):
    said = {"message": "A dashboard with the same name in the folder already exists"}
    grafana.trouble = lambda method, path: (412, said) if path == "/api/dashboards/db" else None
    code, _, err = push()
    assert code == 2
    [line] = _ours(err)
    assert "same name in the folder" in line


def test_a_wrong_token_is_one_line_without_it(push, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, "glsa_not_this_one")
    code, _, err = push()
    assert code == 2
    assert "401" in err
    assert "glsa_not_this_one" not in err


def test_a_server_that_is_slow_is_given_up_with_one_line(grafana, push):
    grafana.slow = 1.0
    code, _, err = push("--timeout", "0.2")
    assert code == 2
    [line] = _ours(err)
    assert "not answered within 0.2 s" in line
    assert line.endswith("try again, or give it more with --timeout")


def test_a_page_that_is_not_grafana_is_one_line(grafana, push):
    grafana.trouble = lambda method, path: (200, b"<html>please log in</html>")
    code, _, err = push()
    assert code == 2
    [line] = _ours(err)
    assert "no JSON" in line


def test_an_address_where_nothing_listens_is_one_line(push):
    code, _, err = push(to="http://127.0.0.1:1")
    assert code == 2
    [line] = _ours(err)
    assert "does Grafana run there" in line


@pytest.mark.parametrize(
    "url", ["127.0.0.1:3000", "ftp://host", "http://", "http://host:port", "http://me:secret@host"]
)
def test_an_address_that_is_none_is_refused_without_its_password(push, url):
    code, _, err = push(to=url)
    assert code == 2
    assert "not an address of a Grafana" in err
    assert "secret" not in err


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "ümlaut"])
def test_a_token_that_cannot_be_one_is_refused_without_it(token):
    with pytest.raises(InputError) as caught:
        Grafana("http://127.0.0.1:3000", token)
    assert token not in str(caught.value)


def test_without_a_token_one_is_asked_for(push, monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE)
    code, _, err = push()
    assert (code, err) == (2, f"ganntk: there is no token: set {TOKEN_VARIABLE}, or give --token\n")


def test_a_path_before_the_interface_is_kept(grafana, push):
    grafana.trouble = lambda method, path: (404, {"message": path})
    with serving(grafana) as url:
        _, _, err = push(to=f"{url}/grafana/")
    assert "'/grafana/api/folders?limit=1000'" in err


def _ours(err: str) -> list[str]:
    """The lines of the command, without what --verbose lets libraries say."""
    return [line for line in err.splitlines() if line.startswith("ganntk: ")]
