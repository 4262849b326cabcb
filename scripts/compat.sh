#!/bin/sh
# Run the tests of units, models and commands under each further Python this project supports.
#
# A version that is not on this machine is skipped, by name. Looked for on PATH and among
# pyenv's. Each gets an environment of its own, .venv-3.12 and so on, kept for the next time.
set -eu
cd "$(dirname "$0")/.."

runs_as() { # INTERPRETER VERSION
    [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$2" ]
}

find_version() {
    for python in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1"*/bin/python; do
        if runs_as "$python" "$1"; then return; fi
    done
    return 1
}

# Of the commands, those that most of the source stands behind: each test starts processes.
tests=
for place in tests/unit tests/models tests/commands/test_serve.py tests/commands/test_connect.py \
    tests/commands/test_up.py tests/commands/test_chat.py tests/commands/test_files.py \
    tests/commands/test_run.py; do
    [ -e "$place" ] && tests="$tests $place"
done

for version in 3.11 3.12 3.13; do
    if runs_as .venv/bin/python "$version"; then
        echo "jackfield: Python $version is the one the whole suite runs under"
        continue
    fi
    if ! find_version "$version"; then
        echo "jackfield: Python $version is not on this machine: skipped"
        continue
    fi
    stamp=.venv-$version/.test
    if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
        VENV=.venv-$version PYTHON=$python scripts/venv.sh test
        touch "$stamp"
    fi
    echo "jackfield: Python $version:$tests"
    # Folder names have no spaces: the list is split on purpose.
    # shellcheck disable=SC2086
    ".venv-$version/bin/python" -m pytest --sample -q -n auto --dist loadgroup -p no:cacheprovider $tests
done
