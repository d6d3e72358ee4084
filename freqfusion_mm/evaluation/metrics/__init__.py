"""Metrics that configs name."""
