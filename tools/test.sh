#!/usr/bin/env bash
# Sets up the environment, checks the style and runs the test suite but for the exhaustive tests, doctests included:
#
#   tools/test.sh [--stack onedl|openmmlab] [arguments of pytest]      tools/test.sh -m 'not slow'
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/stack.sh
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # the tests' tensors are small: more threads only wait for each other
"$python" -m ruff format --check --quiet
"$python" -m ruff check --quiet
exec "$python" -m pytest -n "${TEST_PROCESSES:-2}" "$@"
