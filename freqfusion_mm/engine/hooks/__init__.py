"""Hooks that configs name."""
