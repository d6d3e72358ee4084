"""Parameter schedulers that configs name."""
