"""A ledger says after a kill what it said before."""

import math
from pathlib import Path

from ganntk.sweeps import ledger as ledgers
from ganntk.sweeps.ledger import LEDGER, Ledger, State


def _filled(folder: Path) -> Ledger:
    ledger = Ledger(str(folder))
    for value in (1.0, {"type": "rbf"}, "fnn"):
        ledger.propose({"lam": value})
    ledger.report(0, 10, 1.5, {"loss_per_real": 0.5, "memorisation": math.nan})
    ledger.report(0, 20, 2.5, {"loss_per_real": 0.25})
    ledger.end(0, State.FINISHED, end={"loss_per_real": 0.125})
    ledger.end(1, State.ERROR, reason="no\nkernel")
    ledger.start(2)
    return ledger


def test_what_is_read_is_what_was_written(tmp_path: Path):
    with _filled(tmp_path) as ledger:
        assert ledger.count()[State.RUNNING] == 1
        found = ledgers.read(str(tmp_path))
    assert [trial.state for trial in found.values()] == [
        State.FINISHED,
        State.ERROR,
        State.PENDING,  # nothing runs after its driver
    ]
    assert found[1].values == {"lam": {"type": "rbf"}}
    assert found[1].reason == "no\nkernel"
    assert (found[0].steps, found[0].seconds) == (20, 2.5)
    assert found[0].last("loss_per_real") == 0.125
    assert math.isnan(found[0].last("memorisation"))
    assert math.isnan(found[2].last("loss_per_real"))


def test_a_line_that_was_cut_short_is_dropped_and_the_next_driver_writes_on(tmp_path: Path):
    _filled(tmp_path).close()
    path = tmp_path / LEDGER
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole + '{"event": "report", "tri', encoding="utf-8")
    with Ledger(str(tmp_path)) as ledger:
        assert len(ledger.trials) == 3
        assert ledger.propose({"lam": 2.0}).number == 3
    assert path.read_text(encoding="utf-8").startswith(whole)
    assert len(ledgers.read(str(tmp_path))) == 4


def test_reports_before_the_last_one_of_a_step_are_replaced(tmp_path: Path):
    with Ledger(str(tmp_path)) as ledger:
        ledger.propose({})
        for loss in (3.0, 2.0):  # the second after the trial was resumed
            ledger.report(0, 10, 1.0, {"loss_per_real": loss})
        ledger.change(0, 10, {"lam.value": 4.0})
    (trial,) = ledgers.read(str(tmp_path)).values()
    assert trial.reports == {10: {"loss_per_real": 2.0}}
    assert trial.values == {"lam.value": 4.0}


def test_an_object_store_has_proposals_and_ends_at_once(monkeypatch):
    uri = "memory://ledger-test"
    clock = iter(range(0, 1000)).__next__
    ledger = Ledger(uri, clock=lambda: clock() / 1e6)
    ledger.propose({"lam": 1.0})
    ledger.report(0, 5, 1.0, {"loss_per_real": 1.0})
    assert ledgers.read(uri)[0].reports == {}  # waits for the next event that matters
    ledger.end(0, State.STOPPED)
    assert ledgers.read(uri)[0].steps == 5
