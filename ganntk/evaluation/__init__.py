"""How good a run is: faithful to held-out data, and no copy of its own. Layer 4, above report.

`sets` chooses the rows that are compared, `fidelity` and `novelty` measure them, `quality` holds
what was found. The same protocol measures four sets: the generated rows, the training rows
themselves, fresh held-out rows, and training rows with noise.
"""

from ganntk.evaluation.protocol import Protocol, evaluate, measure
from ganntk.evaluation.quality import Measured, Quality, Table, text_of
from ganntk.evaluation.sets import Sets, choose

__all__ = [
    "Measured",
    "Protocol",
    "Quality",
    "Sets",
    "Table",
    "choose",
    "evaluate",
    "measure",
    "text_of",
]
