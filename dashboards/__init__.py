"""Grafana dashboards and alert rules, from values in Python to files that are committed."""
