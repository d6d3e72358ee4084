"""Measures every op, layer, neck and model against what users would write: python -m tools.benchmark --help."""
