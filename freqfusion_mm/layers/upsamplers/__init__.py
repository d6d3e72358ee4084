"""Upsamplers and fusions, one published method a file."""
