"""The normalisation of predicted kernels."""

from .normalize_kernels import hamming_window, normalize_kernels

__all__ = ['hamming_window', 'normalize_kernels']
