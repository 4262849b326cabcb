#!/bin/sh
# Make the virtual environment $VENV (default .venv) and install this checkout into it.
#
#   scripts/venv.sh [EXTRAS]        for example: scripts/venv.sh test,docs
#
# Needs Python 3.11 or later ($PYTHON, or else the first good one of the usual names), and uses
# uv when there is one, otherwise venv and pip. What exists already is kept.
set -eu
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}
extras=${1:-}

fail() {
    echo "jackfield: $*" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" ||
            fail "PYTHON=$PYTHON is not a Python 3.11 or later; name another: make PYTHON=python3.12"
        python=$PYTHON
        return
    fi
    for python in python3.13 python3.12 python3.11 python3; do
        if new_enough "$python"; then return; fi
    done
    python=
}

make_with_uv() {
    # Where no Python is new enough, uv gets one by itself.
    uv venv --quiet --clear --python "${python:-3.13}" "$venv"
}

make_with_venv() {
    if [ -z "$python" ]; then
        fail "needs Python 3.11 or later, and found $(python3 --version 2>&1 || echo none);" \
            "install one, or name it: make PYTHON=/path/to/python3.12"
    fi
    "$python" -m venv --clear "$venv" ||
        fail "$python cannot make a virtual environment (on Debian and Ubuntu:" \
            "apt install python3-venv)"
}

has_pip() {
    "$venv/bin/python" -m pip --version >/dev/null 2>&1
}

find_python
target=.${extras:+"[$extras]"}
if command -v uv >/dev/null 2>&1; then
    new_enough "$venv/bin/python" || make_with_uv
    echo "jackfield: installing $target into $venv with uv; this happens once" >&2
    uv pip install --quiet --python "$venv/bin/python" --editable "$target"
else
    new_enough "$venv/bin/python" && has_pip || make_with_venv
    echo "jackfield: installing $target into $venv with pip; this happens once" >&2
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$target"
fi
