"""What a run measures: the one catalogue of series, the recorder and its sinks. Layer 4.

Every number that a run reports, in `metrics.jsonl`, in a report or on a dashboard, is declared once
in `CATALOGUE`; recording anything else is an error. A counter is recorded as its total so far.
"""

from ganntk.telemetry.catalogue import CATALOGUE, LIVE, SeriesSpec
from ganntk.telemetry.recorder import Recorder
from ganntk.telemetry.sinks import JsonlSink, MemorySink, Record, Sink, nothing

__all__ = [
    "CATALOGUE",
    "LIVE",
    "JsonlSink",
    "MemorySink",
    "Record",
    "Recorder",
    "SeriesSpec",
    "Sink",
    "nothing",
]
