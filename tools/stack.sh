# Sourced by demo.sh and test.sh: takes `--stack NAME` off their arguments, sets that environment up, and names its Python.
stack=onedl
if [ "${1:-}" = --stack ]; then
    stack=${2:-}
    shift 2 || true
fi
tools/setup.sh --stack "$stack"
python=.venv/bin/python
[ "$stack" = onedl ] || python=.venv-$stack/bin/python
