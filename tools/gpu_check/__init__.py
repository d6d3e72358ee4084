"""Tests and measures the operators and layers on a GPU, on a machine with torch alone: python -m tools.gpu_check -h."""
