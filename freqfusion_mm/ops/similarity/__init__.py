"""Similarities between neighbours: definition and Triton kernel."""
