"""Weighted sums over windows of a coarse map, and what is computed alike: definition, CPU ways, Triton kernels."""
