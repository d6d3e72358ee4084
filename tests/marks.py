"""Marks of tests that want what some versions of torch lack."""

import pytest
import torch

needs_tracer = pytest.mark.skipif(
    not hasattr(torch.compiler, 'is_compiling'), reason='the tracer of torch 2.1 and 2.2 does not know dtype promotion'
)
