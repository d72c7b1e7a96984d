#!/bin/sh
# Makes .venv with the versions of constraints.txt, or leaves one that is up to date as it is.
# Called by make: `environment.sh [extra ...]`. PYTHON chooses the interpreter, CUDA=1 the GPU build of JAX.
set -eu
cd "$(dirname "$0")/.."

venv=.venv
ready=$venv/.ready    # exists only after a complete installation, and says of what
extras=$venv/.extras  # what was asked for so far: a later plain `make env` keeps the GPU build

# Caches stay in here too: making the environment leaves nothing in the home folder.
export PIP_NO_CACHE_DIR=1
: "${UV_CACHE_DIR:=$PWD/$venv/.cache/uv}"
export UV_CACHE_DIR

say() { echo "env: $*"; }
fail() { echo "env: $*" >&2; exit 1; }

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# A name on PATH proves nothing (version managers leave shims that fail): run it.
is_supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' >/dev/null 2>&1; }
has_module() { "$1" -c "import $2" >/dev/null 2>&1; }
can_make_environment() { has_module "$1" venv && { has_module "$1" ensurepip || has_module "$1" pip; }; }

# The first interpreter on PATH, in order of preference, that passes the test named by $1.
find_python() {
  for name in python3.12 python3.11 python3.13 python3 python; do
    old_ifs=$IFS
    IFS=:
    for folder in $PATH; do
      IFS=$old_ifs
      candidate=${folder:-.}/$name
      if [ -x "$candidate" ] && is_supported "$candidate" && "$1" "$candidate"; then
        echo "$candidate"
        return
      fi
    done
    IFS=$old_ifs
  done
}

choose_python() {
  if [ -n "${PYTHON:-}" ]; then
    is_supported "$PYTHON" || fail "PYTHON=$PYTHON does not run as Python 3.11 to 3.13: give the path of one that does, or leave PYTHON out."
    python=$PYTHON
  else
    python=$(find_python can_make_environment)
    [ -n "$python" ] || python=$(find_python true)
    [ -n "$python" ] || fail "no Python 3.11 to 3.13 on PATH: install one (Debian, Ubuntu: apt install python3 python3-venv) or say where it is with 'make env PYTHON=/path/to/python3'."
  fi
  can_make_environment "$python" || fail "$python has no ensurepip and no pip: install them (Debian, Ubuntu: apt install python3-venv) and run 'make env' again."
}

make_venv() {
  choose_python
  say "making $venv with Python $(version_of "$python") ($python)"
  rm -rf "$venv"
  if has_module "$python" ensurepip; then
    "$python" -m venv "$venv"
    set -- "$venv/bin/python" -m pip
  else # Debian without python3-venv: its pip can install into an environment that has none
    "$python" -m venv --without-pip "$venv"
    set -- "$python" -m pip --python "$venv/bin/python"
  fi
  "$@" --disable-pip-version-check install --quiet --constraint constraints.txt uv ||
    fail "installing uv with pip failed: check the network and run 'make env' again."
}

# The folder counts: a copied .venv would start the programs of the original.
describe() {
  echo "$PWD, Python $(version_of "$venv/bin/python"), $1, $(cat pyproject.toml constraints.txt hatch_build.py ganntk/kernels/native/*.[ch] ganntk/kernels/native/*.cu 2>/dev/null | cksum)"
}

# The extras asked for now or before, without repetition, separated by commas.
wanted_extras() {
  { printf '%s\n' dev "$@"; [ "${CUDA:-0}" != 1 ] || echo cuda; cat "$extras" 2>/dev/null || true; } |
    sort -u | paste -s -d , -
}

must_start_over() {
  [ -x "$venv/bin/uv" ] && "$venv/bin/uv" --version >/dev/null 2>&1 && version_of "$venv/bin/python" >/dev/null || return 0
  [ ! -f "$ready" ] || [ "$(cut -d , -f 1 "$ready")" = "$PWD" ] || return 0
  [ -n "${PYTHON:-}" ] && [ "$(version_of "$PYTHON")" != "$(version_of "$venv/bin/python")" ]
}

# uv brings its own certificates; a network with certificates of its own put them in the system's.
trust_the_system() {
  [ -z "${SSL_CERT_FILE:-}${UV_SYSTEM_CERTS:-}" ] || return 0
  for bundle in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt; do
    [ ! -e "$bundle" ] || export UV_SYSTEM_CERTS=true
  done
}

install() {
  say "installing the packages of constraints.txt ($wanted): the first time downloads some hundred MB"
  rm -f "$ready"
  printf '%s\n' "$wanted" | tr , '\n' >"$extras"
  trust_the_system
  # Run here because uv reads its overrides (no TensorFlow) from the pyproject.toml of this folder.
  "$venv/bin/uv" pip install --quiet --compile-bytecode --python "$venv/bin/python" --editable ".[$wanted]" \
    --constraint constraints.txt --build-constraint constraints.txt ||
    fail "uv could not install the packages (see above): check the network and run 'make env' again."
  describe "$wanted" >"$ready.part"
  mv "$ready.part" "$ready" # last: an interrupted installation has no stamp
}

wanted=$(wanted_extras "$@")
if must_start_over; then make_venv; fi
if [ "$(cat "$ready" 2>/dev/null)" = "$(describe "$wanted")" ]; then
  say "$venv is up to date"
  exit 0
fi
install
say "$venv is ready"
case ,$wanted, in
  *,cuda,*) ;;
  *) if nvidia-smi >/dev/null 2>&1; then say "an NVIDIA GPU is here: 'make env CUDA=1' installs JAX for it (CUDA 13, driver 580 or newer)"; fi ;;
esac
