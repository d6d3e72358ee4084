"""The commands: argument parsing alone."""
