"""Poolings and the unpoolings that undo them, one published method a file."""
