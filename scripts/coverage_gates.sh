#!/bin/sh
# Fail when the suite's last run left too much unmeasured. Silent when it did not.
set -eu
cd "$(dirname "$0")/.."
coverage='.venv/bin/python -m coverage'

gate() { # PERCENT, then options for `coverage report`
    least=$1
    shift
    report=$($coverage report --fail-under="$least" "$@" 2>&1) || {
        echo "$report" >&2
        echo "jackfield: coverage is under $least %: add tests for the lines above" >&2
        exit 1
    }
}

$coverage combine --quiet
gate 95
gate 100 --include='src/jackfield/framing/*,src/jackfield/endpoints/*'
