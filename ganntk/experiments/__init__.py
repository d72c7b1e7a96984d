"""The paper's experiments: from a plan in YAML to a table and a figure. Layer 7."""

from ganntk.experiments.base import Experiment, Findings
from ganntk.experiments.carried_out import Outcome, carry_out
from ganntk.experiments.plans import Plan, load

__all__ = ["Experiment", "Findings", "Outcome", "Plan", "carry_out", "load"]
