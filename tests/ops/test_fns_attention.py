import itertools
import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from marks import needs_tracer

from freqfusion_mm.ops.reassembly import carafe, fns_attention

IMPLS = ('shifted', 'matmul', 'reference')
SIZES = [
    ((3, 5), (6, 10)),
    ((3, 5), (9, 20)),
    ((3, 5), (3, 5)),
    ((3, 5), (7, 9)),
    ((4, 5), (6, 12)),
    ((1, 1), (3, 2)),
    ((1, 2), (2, 3)),
    ((3, 2), (3, 7)),
    ((5, 7), (3, 4)),
]


@torch.no_grad()
def by_loops(attn, value, k):
    """The contract, sample by sample."""
    n, c, h, w = value.shape
    height, width = attn.shape[-2:]
    out = torch.zeros(n, c, height, width, dtype=value.dtype)

    def corners(place, size):
        place = min(max(place, 0.0), size - 1.0)
        low = min(math.floor(place), size - 1)
        return (low, 1 - (place - low)), (min(low + 1, size - 1), place - low)

    for y, x, i, j in itertools.product(range(height), range(width), range(k), range(k)):
        rows = corners((y + 0.5) * h / height - 0.5 + i - k // 2, h)
        cols = corners((x + 0.5) * w / width - 0.5 + j - k // 2, w)
        for (row, weight_y), (col, weight_x) in itertools.product(rows, cols):
            out[:, :, y, x] += attn[:, i * k + j, y, x, None] * value[:, :, row, col] * weight_y * weight_x
    return out


def inputs(size, fine, c=4, k=3, n=2, dtype=torch.float64):
    return (
        torch.randn(n, k * k, *fine, dtype=dtype, requires_grad=True),
        torch.randn(n, c, *size, dtype=dtype, requires_grad=True),
    )


@pytest.mark.parametrize('size, fine', SIZES)
@pytest.mark.parametrize('k', [1, 3, 5])
def test_equals_the_literal_loop(size, fine, k, assert_same):
    attn, value = inputs(size, fine, k=k)
    expected = by_loops(attn, value, k)
    for impl in IMPLS:
        assert_same(fns_attention(attn, value, k, impl=impl), expected, impl)


@pytest.mark.parametrize('impl', IMPLS)
@pytest.mark.parametrize('size, fine', [((2, 3), (4, 9)), ((3, 2), (5, 3)), ((1, 2), (3, 3))])
def test_first_and_second_derivatives_at_every_pixel(size, fine, impl, second_derivatives, assert_same):
    args = inputs(size, fine, c=2, n=1)

    def op(attn, value, impl=impl):
        return fns_attention(attn, value, 3, impl=impl)

    assert torch.autograd.gradcheck(op, args)
    expected = second_derivatives(partial(op, impl='reference'), args)
    for actual, wanted in zip(second_derivatives(op, args), expected):
        assert_same(actual, wanted)


@pytest.mark.parametrize('fine', [(24, 40), (21, 37)])
def test_gradients_equal_the_reference_in_float32(fine, assert_same):
    attn, value = inputs((6, 5), fine, c=40, dtype=torch.float32)
    grad = torch.randn(2, 40, *fine)
    results = [
        [out, *torch.autograd.grad(out, (attn, value), grad)]
        for out in (fns_attention(attn, value, 3, impl=impl) for impl in IMPLS)
    ]
    for impl, result in zip(IMPLS, results):
        for what, actual, expected in zip(('out', 'grad attn', 'grad value'), result, results[-1]):
            scale = expected.abs().max()
            assert_same(actual / scale, expected / scale, f'{impl}: {what}')


@pytest.mark.parametrize('impl', IMPLS)
def test_parity_with_the_authors_code(impl, golden, assert_parity):
    for case in golden('fns_attn'):
        attn, value = (case['inputs'][name].requires_grad_() for name in ('attn', 'value'))
        out = fns_attention(attn, value, case['kwargs']['kernel_size'], impl=impl)
        assert_parity(out, case['outputs'][0], f'{tuple(value.shape)} out')
        out.backward(case['grad_outputs'][0])
        assert_parity(attn.grad, case['grad_inputs']['attn'], f'{tuple(value.shape)} grad attn')
        assert_parity(value.grad, case['grad_inputs']['value'], f'{tuple(value.shape)} grad value')


@pytest.mark.parametrize('size, fine', SIZES)
def test_the_middle_sample_alone_is_bilinear_interpolation(size, fine, assert_same):
    value = torch.randn(2, 4, *size, dtype=torch.float64)
    attn = torch.zeros(2, 9, *fine, dtype=torch.float64)
    attn[:, 4] = 1
    expected = F.interpolate(value, fine, mode='bilinear', align_corners=False)
    assert_same(fns_attention(attn, value, 3), expected)


def test_an_outer_sample_is_the_map_moved_by_one_coarse_pixel(assert_same):
    value = torch.randn(1, 4, 5, 6, dtype=torch.float64)
    attn = torch.zeros(1, 9, 20, 24, dtype=torch.float64)
    attn[:, 7] = 1  # one row below
    moved = fns_attention(attn, value, 3)
    bilinear = F.interpolate(value, (20, 24), mode='bilinear', align_corners=False)
    assert_same(moved[..., :-4, :], bilinear[..., 4:, :])
    assert_same(moved[..., -2:, :], bilinear[..., -1:, :].expand(1, 4, 2, 24))  # past the border: the border's row


def test_same_size_is_a_reassembly_with_the_border_repeated(assert_same):
    attn, value = inputs((5, 6), (5, 6))
    for impl in IMPLS:
        assert_same(fns_attention(attn, value, 3, impl=impl), carafe(value, attn, 3, padding='replicate'))


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_no_worse_than_plain_torch(dtype):
    attn, value = (t.detach() for t in inputs((9, 11), (36, 50), c=8, dtype=torch.float32))
    attn, value = attn.softmax(dim=1).to(dtype), value.to(dtype)
    exact = fns_attention(attn.double(), value.double(), 3)
    ours = fns_attention(attn, value, 3)
    samples = [
        F.grid_sample(value.float(), grid(attn, value, i, j), padding_mode='border', align_corners=False).to(dtype)
        for i, j in itertools.product((-1, 0, 1), repeat=2)
    ]
    plain = sum(attn[:, n, None] * sample for n, sample in enumerate(samples))
    assert ours.dtype == dtype
    assert (ours - exact).abs().max() <= (plain - exact).abs().max()
    assert fns_attention(attn.float(), value, 3).dtype == dtype  # wide weights, narrow map


def grid(attn, value, i, j):
    (height, width), (h, w) = attn.shape[-2:], value.shape[-2:]
    y = (2 * torch.arange(height) + 1) / height - 1 + 2 * i / h
    x = (2 * torch.arange(width) + 1) / width - 1 + 2 * j / w
    return torch.stack(torch.meshgrid(x, y, indexing='xy'), dim=-1).expand(len(value), -1, -1, -1)


@pytest.mark.parametrize('impl', ['matmul', 'shifted'])
def test_the_wider_dtype_of_both_maps_holds(impl, assert_same):
    attn, value = torch.randn(1, 9, 6, 8), torch.randn(1, 2, 3, 4, dtype=torch.float64)
    assert_same(fns_attention(attn, value, 3, impl=impl), fns_attention(attn.double(), value, 3, impl='reference'))


def test_layouts_and_unused_gradients(assert_same):
    attn, value = inputs((4, 6), (8, 15))
    expected = fns_attention(attn, value, 3)
    for view in (
        lambda t: t.to(memory_format=torch.channels_last),
        lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        assert_same(fns_attention(view(attn), view(value), 3), expected)
    fns_attention(attn, value.detach(), 3).sum().backward()
    assert value.grad is None and attn.grad is not None


def test_autocast_does_not_round_the_weights(assert_same):
    attn, value = inputs((3, 4), (24, 32), dtype=torch.float32)
    with torch.autocast('cpu', torch.bfloat16):
        assert_same(fns_attention(attn, value, 3, impl='matmul'), fns_attention(attn, value, 3, impl='shifted'))


@pytest.mark.parametrize('impl', ['shifted', 'matmul'])
def test_keeps_no_copy_of_the_output_size(impl):
    attn, value = inputs((4, 4), (64, 64), c=256, n=1)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        fns_attention(attn, value, 3, impl=impl)
    kept = {t.data_ptr(): t.numel() for t in saved}
    assert sum(kept.values()) < 2 * 16 * 64 * 64  # the weight maps; one output-sized map alone has 256 channels


@needs_tracer
@pytest.mark.parametrize('impl', ['shifted', 'matmul'])
def test_compiles_without_a_graph_break(impl, assert_same):
    attn, value = inputs((5, 6), (10, 17), dtype=torch.float32)  # one whole ratio, one fractional
    compiled = torch.compile(
        lambda a, v: fns_attention(a, v, 3, impl=impl), fullgraph=True, dynamic=False, backend='aot_eager'
    )
    results = []
    for op in (compiled, lambda a, v: fns_attention(a, v, 3, impl=impl)):
        out = op(attn, value)
        results.append([out, *torch.autograd.grad(out.square().sum(), (attn, value))])
    for what, actual, expected in zip(('out', 'grad attn', 'grad value'), *results):
        assert_same(actual, expected, what)


@pytest.mark.parametrize(
    'change, error, message',
    [
        (dict(kernel_size=2), ValueError, 'kernel_size must be odd'),
        (dict(kernel_size=5), ValueError, r'attn must have kernel_size\*\*2 = 25 channels, got 9'),
        (dict(impl='cuda'), ValueError, 'impl must be one of'),
        (dict(value=torch.zeros(4, 3, 5)), ValueError, 'value must be a non-empty map'),
        (dict(value=torch.zeros(1, 4, 3, 5)), ValueError, 'one batch size, got 2 and 1'),
        (dict(value=torch.zeros(2, 4, 0, 5)), ValueError, 'value must be a non-empty map'),
        (dict(attn=torch.zeros(2, 9, 6, 10, dtype=torch.int64)), TypeError, 'attn must be floating point'),
    ],
)
def test_bad_input(change, error, message):
    good = dict(attn=torch.zeros(2, 9, 6, 10), value=torch.zeros(2, 4, 3, 5), kernel_size=3)
    fns_attention(**good)
    with pytest.raises(error, match=message):
        fns_attention(**{**good, **change})
