"""Similarities between neighbours."""

from .neighbour_similarity import neighbour_similarity

__all__ = ['neighbour_similarity']
