"""Measures every op, layer, neck and model against what users would write: python -m tools.benchmark --help"""
import os

# Before torch is imported: threads that spin while they wait hold each other up for minutes on a machine that is busy.
os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
