#!/bin/sh
# A Ray head and a Prometheus on loopback, for trying out what dashboards/ holds. Called by `make monitor`.
set -eu
cd "$(dirname "$0")/.."

if ! command -v prometheus >/dev/null; then
  echo "monitor: no prometheus on PATH: install one (Debian, Ubuntu: apt install prometheus, then systemctl disable --now prometheus), and try again" >&2
  exit 1
fi
port=${RAY_PORT:-6380}
web=${PROMETHEUS_PORT:-9090}

# Short: sockets lie in it, whose paths have at most 107 bytes.
folder=$(mktemp -d /tmp/gkm-XXXXXX)
# Ctrl-C ends it at once: there is nobody to drain for.
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0
export RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH="$folder/token"
.venv/bin/python -c 'import secrets; print(secrets.token_hex(32), end="")' >"$folder/token"
chmod 600 "$folder/token"
sed "s|/tmp/ray/|$folder/ray/|; s|- alerts.yml|- $PWD/dashboards/alerts.yml|" dashboards/prometheus.yml >"$folder/prometheus.yml"

ray='' prometheus=''
end() {
  trap - EXIT INT TERM
  for process in $prometheus $ray; do
    kill "$process" 2>/dev/null || true
    wait "$process" 2>/dev/null || true
  done
  rm -rf "$folder"
}
trap 'end; exit 130' INT TERM
trap end EXIT

PATH="$PWD/.venv/bin:$PATH" .venv/bin/ray start --head --block --node-ip-address=127.0.0.1 --port="$port" \
  --dashboard-host=127.0.0.1 --temp-dir="$folder/ray" >"$folder/ray.log" 2>&1 &
ray=$!
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" --storage.tsdb.retention.time=30d \
  --web.listen-address="127.0.0.1:$web" >"$folder/prometheus.log" 2>&1 &
prometheus=$!

tries=0
until [ -s "$folder/ray/prom_metrics_service_discovery.json" ] && grep -q 'runtime started' "$folder/ray.log" && grep -q 'Server is ready' "$folder/prometheus.log"; do
  tries=$((tries + 1))
  if ! kill -0 "$ray" 2>/dev/null || ! kill -0 "$prometheus" 2>/dev/null || [ "$tries" -gt 120 ]; then
    echo "monitor: it did not start:" >&2
    tail -n 5 "$folder/ray.log" "$folder/prometheus.log" >&2
    exit 1
  fi
  sleep 0.5
done

cat <<EOF
monitor: Prometheus is at http://127.0.0.1:$web; try the query ray_ganntk_loss_per_real, and Status, Rules
monitor: a run that reports there, in another terminal:

  RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$folder/token \\
    .venv/bin/ganntk synthesize --config configs/digits.yaml --steps 2000 --cluster.address 127.0.0.1:$port

monitor: a Grafana takes the dashboards with
  .venv/bin/ganntk dashboards push --url URL --prometheus http://127.0.0.1:$web
monitor: Ctrl-C ends both
EOF
# Ends with whichever ends first.
while kill -0 "$ray" 2>/dev/null && kill -0 "$prometheus" 2>/dev/null; do sleep 1; done
echo "monitor: one of them ended; see the lines above" >&2
exit 1
