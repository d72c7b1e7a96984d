#!/bin/sh
# Synthesises handwritten digits and says where the report is. Called by `make demo`.
set -eu
cd "$(dirname "$0")/.."

# matplotlib would keep its list of fonts in the home folder.
: "${MPLCONFIGDIR:=$PWD/.venv/.cache/matplotlib}"
export MPLCONFIGDIR

result=$(.venv/bin/ganntk synthesize --config configs/digits.yaml)
printf '%s\n' "$result"
run=$(printf '%s\n' "$result" | tail -n 1 | .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["run_uri"])')
echo "demo: open $run/report.html"
