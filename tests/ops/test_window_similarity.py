import itertools
import re

import pytest
import torch

from freqfusion_mm.ops.reassembly import carafe, window_similarity

SIZES = [((4, 5), (8, 10)), ((4, 5), (4, 5)), ((4, 5), (7, 9)), ((5, 6), (3, 2)), ((1, 1), (2, 3)), ((1, 2), (1, 1))]


def pair(coarse, fine, channels=3, batch=2):
    return [torch.randn(batch, channels, *size, dtype=torch.float64, requires_grad=True) for size in (fine, coarse)]


def by_loops(query, key, kernel_size):
    (n, _, height, width), (h, w), radius = query.shape, key.shape[-2:], kernel_size // 2
    out = query.new_zeros(n, kernel_size**2, height, width)
    for tap, (i, j) in enumerate(itertools.product(range(-radius, radius + 1), repeat=2)):
        for y, x in itertools.product(range(height), range(width)):
            row, col = y * h // height + i, x * w // width + j
            if 0 <= row < h and 0 <= col < w:
                out[:, tap, y, x] = (query[:, :, y, x] * key[:, :, row, col]).sum(1)
    return out


@pytest.mark.parametrize('coarse, fine', SIZES)
@pytest.mark.parametrize('impl', ['auto', 'matmul', 'shifted', 'reference'])
def test_equals_literal_loops(coarse, fine, impl, assert_same):
    query, key = pair(coarse, fine)
    for kernel_size in (1, 3, 5):
        actual, expected = window_similarity(query, key, kernel_size, impl=impl), by_loops(query, key, kernel_size)
        assert_same(actual, expected)
        grad = torch.randn_like(expected)
        for ours, wanted in zip(
            torch.autograd.grad(actual, (query, key), grad), torch.autograd.grad(expected, (query, key), grad)
        ):
            assert_same(ours, wanted)


@pytest.mark.parametrize('padding', ['zeros', 'reflect', 'replicate'])
@pytest.mark.parametrize('coarse, fine', SIZES)
def test_is_the_gradient_of_a_reassembly(coarse, fine, padding, assert_same):
    query, key = pair(coarse, fine)
    masks = torch.zeros(2, 25, *fine, dtype=torch.float64, requires_grad=True)
    (wanted,) = torch.autograd.grad(carafe(key, masks, 5, padding=padding), masks, query)
    assert_same(window_similarity(query, key, 5, padding), wanted)


def test_differentiates_twice_and_each_gradient_alone(assert_same):
    query, key = pair((2, 2), (3, 4), channels=2, batch=1)
    assert torch.autograd.gradgradcheck(lambda a, b: window_similarity(a, b, 3), (query, key))
    out = window_similarity(query, key, 3)
    grad = torch.randn_like(out)
    both = torch.autograd.grad(out, (query, key), grad, retain_graph=True)
    for tensor, wanted in zip((query, key), both):
        assert_same(torch.autograd.grad(out, tensor, grad, retain_graph=True)[0], wanted)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_gives_float32_scores(dtype):
    # Scores beyond what float16 holds.
    query, key = ((100 * tensor.detach()).to(dtype) for tensor in pair((4, 5), (8, 10), channels=16))
    scores = window_similarity(query, key, 3)
    assert scores.dtype == torch.float32 and torch.isfinite(scores).all()
    torch.testing.assert_close(scores, window_similarity(query.float(), key.float(), 3), rtol=1e-5, atol=0.1)


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.skipif(not hasattr(torch.library, 'opcheck'), reason='torch registers Python operators from 2.4 on')
def test_registration(layout):
    query, key = (tensor.detach().to(memory_format=layout).requires_grad_() for tensor in pair((3, 4), (6, 8)))
    torch.library.opcheck(torch.ops.freqfusion_mm.window_similarity, (query, key, 3, 'zeros', 'auto'))


@pytest.mark.parametrize(
    'query, key, options, error, wanted',
    [
        ((1, 2, 4, 4), (1, 3, 2, 2), {}, ValueError, 'got shapes (1, 2, 4, 4) and (1, 3, 2, 2)'),
        ((2, 4, 4), (1, 2, 2, 2), {}, ValueError, '[N, C, H, W]'),
        ((1, 2, 0, 4), (1, 2, 2, 2), {}, ValueError, 'non-empty'),
        ((1, 2, 4, 4), (1, 2, 2, 2), dict(kernel_size=2), ValueError, 'odd and positive'),
        ((1, 2, 4, 4), (1, 2, 2, 2), dict(padding='same'), ValueError, "got 'same'"),
    ],
)
def test_bad_input(query, key, options, error, wanted):
    with pytest.raises(error, match=re.escape(wanted)):
        window_similarity(torch.zeros(query), torch.zeros(key), **{'kernel_size': 3, **options})


def test_dtypes_that_differ():
    with pytest.raises(TypeError, match='share a floating dtype'):
        window_similarity(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 2, 2).double(), 3)
