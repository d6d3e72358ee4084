#!/usr/bin/env bash
# Sets up the environment, checks the style and runs the test suite but for the exhaustive tests, doctests included:
#
#   tools/test.sh [--stack onedl|openmmlab] [arguments of pytest]      tools/test.sh -m 'not slow'
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
stack=onedl
if [ "${1:-}" = --stack ]; then
    stack=${2:-}
    shift 2 || true
fi
tools/setup.sh --stack "$stack"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # the tests' tensors are small: more threads only wait for each other
venv=.venv
[ "$stack" = onedl ] || venv=.venv-$stack
"$venv/bin/python" -m ruff format --check --quiet
"$venv/bin/python" -m ruff check --quiet
exec "$venv/bin/python" -m pytest -n "${TEST_PROCESSES:-2}" "$@"
