"""Transforms that configs name."""
