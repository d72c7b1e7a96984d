"""When a run has gone far enough: what is watched, and the rules that stop it. Layer 2.

`watch` measures the generated rows at some steps, beside the training rows and held-out ones;
`rules` are pure functions of what was seen.
"""

from ganntk.stopping.rules import Check, Never, Stopping, Verdict
from ganntk.stopping.watch import Watch

__all__ = ["Check", "Never", "Stopping", "Verdict", "Watch"]
