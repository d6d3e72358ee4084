"""Programs of the project: `python -m tools.benchmark`, `python -m tools.gpu_check`; and scripts, for mim and habit."""
