"""What plugs into a runner: hooks and schedulers."""
