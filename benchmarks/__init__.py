"""Measurements of speed, memory and precision, each beside a named peer in one run.

``python -m benchmarks.kernel`` and the like print a table; docs/benchmarks.md holds results. ganntk
imports none of this.
"""
