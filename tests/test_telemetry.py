import contextlib
import json
import math

import numpy as np
import pytest

from ganntk import storage
from ganntk.errors import InputError
from ganntk.telemetry import CATALOGUE, JsonlSink, MemorySink, Recorder


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines_written(uri: str) -> list[str]:
    return storage.read_text(uri).splitlines()


def test_record_carries_step_and_elapsed_seconds():
    clock, memory = Clock(), MemorySink()
    recorder = Recorder([memory], clock)
    clock.now += 2.5
    recorder.record(3, {"loss": 0.25})
    [record] = memory.records
    assert (record.step, record.elapsed_seconds, record.values) == (3, 2.5, {"loss": 0.25})


def test_undeclared_series_is_refused_with_the_nearest_name():
    with pytest.raises(
        InputError, match="unknown series 'gradient_nrm': did you mean gradient_nor"
    ):
        Recorder([]).record(0, {"gradient_nrm": 1.0})


def test_undeclared_series_reaches_no_sink():
    memory = MemorySink()
    with pytest.raises(InputError):
        Recorder([memory]).record(0, {"loss": 1.0, "made_up": 1.0})
    assert memory.records == []


@pytest.mark.parametrize("name", ["step", "elapsed_seconds"])
def test_series_of_the_recorder_itself_are_refused(name):
    with pytest.raises(InputError, match="itself: leave it out"):
        Recorder([]).record(0, {name: 1.0})


@pytest.mark.parametrize("labels", [None, {"worker": "1"}, {"phase": "gram", "worker": "1"}])
def test_labels_must_be_the_declared_ones(labels):
    with pytest.raises(InputError, match=r"expected \['phase'\]"):
        Recorder([]).record(0, {"phase_seconds": 1.0}, labels)


def test_array_scalars_become_python_numbers():
    memory = MemorySink()
    Recorder([memory]).record(np.int64(1), {"loss": np.float32(0.5)})
    assert type(memory.records[0].step) is int
    assert type(memory.records[0].values["loss"]) is float


def test_every_record_is_one_line_of_json(tmp_path):
    uri = str(tmp_path / "metrics.jsonl")
    clock = Clock()
    recorder = Recorder([JsonlSink(storage.AppendLog(uri))], clock)
    recorder.record(0, {"loss": 0.5, "lam": 5.12})
    clock.now += 1.0
    recorder.record(10, {"loss": 0.25})
    recorder.close()
    assert [json.loads(line) for line in lines_written(uri)] == [
        {"step": 0, "elapsed_seconds": 0.0, "loss": 0.5, "lam": 5.12},
        {"step": 10, "elapsed_seconds": 1.0, "loss": 0.25},
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_number_is_null_and_named(tmp_path, value):
    uri = str(tmp_path / "metrics.jsonl")
    recorder = Recorder([JsonlSink(storage.AppendLog(uri))], Clock())
    recorder.record(7, {"loss": value, "lam": 1.0})
    recorder.close()
    [line] = lines_written(uri)
    assert json.loads(line, parse_constant=pytest.fail) == {
        "step": 7,
        "elapsed_seconds": 0.0,
        "loss": None,
        "lam": 1.0,
        "non_finite": ["loss"],
    }


def test_phase_seconds_are_summed_by_name():
    clock = Clock()
    recorder = Recorder([], clock)
    for seconds in (1.0, 2.0):
        with recorder.phase("gram"):
            clock.now += seconds
    with recorder.phase("save"):
        clock.now += 0.5
    assert recorder.phase_seconds() == {"gram": 3.0, "save": 0.5}


def test_phase_that_raises_is_timed():
    clock = Clock()
    recorder = Recorder([], clock)
    with contextlib.suppress(ZeroDivisionError), recorder.phase("gram"):
        clock.now += 1.0
        raise ZeroDivisionError
    assert recorder.phase_seconds() == {"gram": 1.0}


def test_phase_totals_are_recorded_with_their_label():
    clock, memory = Clock(), MemorySink()
    recorder = Recorder([memory], clock)
    with recorder.phase("gram"):
        clock.now += 2.0
    recorder.record_phases(5)
    [record] = memory.records
    assert record.values == {"phase_seconds": 2.0}
    assert record.labels == {"phase": "gram"}


def test_flush_puts_records_into_an_object_store():
    uri = "memory://test-telemetry-flush/metrics.jsonl"
    recorder = Recorder([JsonlSink(storage.AppendLog(uri))], Clock())
    recorder.record(0, {"loss": 0.5})
    recorder.flush()
    assert len(lines_written(uri)) == 1


def test_catalogue_is_complete_and_consistent():
    for name, spec in CATALOGUE.items():
        assert spec.name == name
        assert spec.kind in ("gauge", "counter", "histogram")
        assert spec.meaning.endswith(".")
