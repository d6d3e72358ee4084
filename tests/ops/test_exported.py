"""What ONNX gets equals the definitions, at all ratios; `tests/cli/test_onnx.py` runs it in onnxruntime."""

import pytest
import torch

from freqfusion_mm.ops.reassembly import exported, reference

#: (h, w), (H, W): whole ratios, others, each axis of its own; more and fewer windows than a tile has.
SIZES = [
    ((3, 4), (6, 8)),
    ((5, 11), (15, 22)),
    ((4, 3), (4, 3)),
    ((5, 9), (7, 16)),
    ((2, 17), (9, 18)),
    ((1, 1), (3, 1)),
    ((6, 8), (3, 5)),
    ((2, 31), (2, 100)),  # tiles that reach as many coarse pixels as one may
]


@pytest.mark.parametrize('padding', ['zeros', 'reflect', 'replicate'])
@pytest.mark.parametrize('coarse, fine', SIZES)
@pytest.mark.parametrize('kernel_size, groups', [(1, 1), (3, 2), (5, 1)])
def test_carafe(coarse, fine, kernel_size, groups, padding, assert_same):
    features = torch.randn(2, 4, *coarse, dtype=torch.float64)
    masks = torch.randn(2, groups * kernel_size**2, *fine, dtype=torch.float64)
    args = features, masks, kernel_size, groups, padding
    assert_same(exported.carafe(*args), reference.carafe(*args))


@pytest.mark.parametrize('padding', ['zeros', 'reflect', 'replicate'])
@pytest.mark.parametrize('coarse, fine', SIZES)
@pytest.mark.parametrize('kernel_size', [1, 3, 5])
def test_window_similarity(coarse, fine, kernel_size, padding, assert_same):
    query, key = (torch.randn(2, 4, *size, dtype=torch.float64) for size in (fine, coarse))
    args = query, key, kernel_size, padding
    assert_same(exported.window_similarity(*args), reference.window_similarity(*args))


@pytest.mark.parametrize('coarse, fine', SIZES)
@pytest.mark.parametrize('kernel_size', [1, 3, 5])
def test_fns_attention(coarse, fine, kernel_size, assert_same):
    attn = torch.randn(2, kernel_size**2, *fine, dtype=torch.float64)
    args = attn, torch.randn(2, 4, *coarse, dtype=torch.float64), kernel_size
    assert_same(exported.fns_attention(*args), reference.fns_attention(*args))
