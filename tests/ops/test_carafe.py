import itertools
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from marks import needs_tracer

from freqfusion_mm.ops import resize_nearest, source_index
from freqfusion_mm.ops.reassembly import carafe, fns_attention, window_similarity
from freqfusion_mm.ops.reassembly import matmul as reassembly_matmul

IMPLS = ('matmul', 'shifted', 'reference')


@torch.no_grad()
def by_loops(features, masks, k, groups, padding):
    """The contract, pixel by pixel."""
    n, c, h, w = features.shape
    height, width = masks.shape[-2:]
    out = torch.zeros(n, c, height, width, dtype=features.dtype)

    def index(i, size):
        if 0 <= i < size:
            return i
        if padding == 'zeros':
            return None
        if padding == 'replicate':
            return min(max(i, 0), size - 1)
        while not 0 <= i < size:  # mirror at the edge pixels until inside
            i = (-i if i < 0 else 2 * (size - 1) - i) if size > 1 else 0
        return i

    for b, ch, y, x in itertools.product(range(n), range(c), range(height), range(width)):
        g = ch // (c // groups)
        for i, j in itertools.product(range(k), range(k)):
            row, col = index(y * h // height + i - k // 2, h), index(x * w // width + j - k // 2, w)
            if row is not None and col is not None:
                out[b, ch, y, x] += masks[b, g * k * k + i * k + j, y, x] * features[b, ch, row, col]
    return out


def inputs(size, fine, c=4, groups=2, k=3, n=2, dtype=torch.float64):
    return (
        torch.randn(n, c, *size, dtype=dtype, requires_grad=True),
        torch.randn(n, groups * k * k, *fine, dtype=dtype, requires_grad=True),
    )


@pytest.mark.parametrize('padding', ['zeros', 'reflect', 'replicate'])
@pytest.mark.parametrize(
    'size, fine',
    [
        ((3, 5), (6, 10)),
        ((3, 5), (3, 5)),
        ((3, 5), (12, 10)),
        ((3, 5), (7, 9)),
        ((3, 5), (5, 9)),
        ((1, 1), (3, 2)),
        ((1, 2), (2, 3)),
        ((4, 3), (3, 2)),
        ((4, 9), (2, 3)),
        ((6, 2), (2, 4)),
    ],
)
def test_equals_the_literal_loop(size, fine, padding, assert_same):
    features, masks = inputs(size, fine)
    expected = by_loops(features, masks, 3, 2, padding)
    for impl in IMPLS:
        assert_same(carafe(features, masks, 3, 2, padding=padding, impl=impl), expected, impl)


def test_wide_window_on_a_tiny_map(assert_same):
    features, masks = inputs((2, 1), (3, 2), k=5)
    for padding in ('zeros', 'reflect', 'replicate'):
        assert_same(carafe(features, masks, 5, 2, padding=padding), by_loops(features, masks, 5, 2, padding))


@pytest.mark.parametrize('impl', IMPLS[:2])
@pytest.mark.parametrize('padding', ['zeros', 'reflect', 'replicate'])
@pytest.mark.parametrize('size, fine', [((3, 3), (6, 6)), ((3, 3), (4, 7)), ((2, 1), (3, 3)), ((4, 3), (2, 1))])
def test_first_and_second_derivatives(size, fine, padding, impl, second_derivatives, assert_same):
    args = inputs(size, fine, c=2, n=1)

    def op(features, masks, impl=impl):
        return carafe(features, masks, 3, 2, padding=padding, impl=impl)

    assert torch.autograd.gradcheck(op, args)
    expected = second_derivatives(partial(op, impl='reference'), args)
    for actual, wanted in zip(second_derivatives(op, args), expected):
        assert_same(actual, wanted)


@pytest.mark.parametrize('impl', IMPLS[:2])
@pytest.mark.parametrize('k', [1, 3, 7])
@pytest.mark.parametrize('size, ratio', [((7, 13), (2, 2)), ((9, 5), (1, 4)), ((13, 8), (3, 1))])
def test_sizes_that_are_no_whole_number_of_tiles(size, ratio, k, impl, assert_same):
    features, masks = inputs(size, [side * s for side, s in zip(size, ratio)], k=k)
    grad = torch.randn(2, 4, *masks.shape[-2:], dtype=torch.float64)
    for padding in ('zeros', 'reflect', 'replicate'):
        results = [
            [out, *torch.autograd.grad(out, (features, masks), grad)]
            for out in (carafe(features, masks, k, 2, padding=padding, impl=way) for way in (impl, 'reference'))
        ]
        for what, actual, expected in zip(('out', 'grad features', 'grad masks'), *results):
            assert_same(actual, expected, f'{padding}: {what}')


@pytest.mark.parametrize('channels', [3, 40])  # within one cache block, and over several
def test_gradients_equal_the_reference_in_float32(channels, assert_same):
    features, masks = inputs((33, 65), (66, 130), c=channels, groups=1, dtype=torch.float32)
    grad = torch.randn(2, channels, 66, 130)
    results = [
        [out, *torch.autograd.grad(out, (features, masks), grad)]
        for out in (carafe(features, masks, 3, 1, 2, impl=impl) for impl in IMPLS)
    ]
    for impl, result in zip(IMPLS, results):
        for what, actual, expected in zip(('out', 'grad features', 'grad masks'), result, results[-1]):
            scale = expected.abs().max()
            assert_same(actual / scale, expected / scale, f'{impl}: {what}')


def test_steps_of_few_channels(monkeypatch, assert_same):
    features, masks = inputs((5, 6), (10, 12), c=14)
    expected = carafe(features, masks, 3, 2, impl='reference')
    monkeypatch.setattr(reassembly_matmul, '_STEP_ELEMENTS', 1)
    monkeypatch.setattr(reassembly_matmul, '_STEP_CHANNELS', 3)
    out = carafe(features, masks, 3, 2)
    assert_same(out, expected)
    grad = torch.randn_like(out)
    for actual, wanted in zip(
        torch.autograd.grad(out, (features, masks), grad), torch.autograd.grad(expected, (features, masks), grad)
    ):
        assert_same(actual, wanted)


@pytest.mark.parametrize('impl', IMPLS)
def test_parity_with_the_authors_code(impl, golden, assert_parity):
    for case in golden('carafe'):
        x, mask = (case['inputs'][name].requires_grad_() for name in ('x', 'mask'))
        kwargs = case['kwargs']
        out = carafe(x, mask, kwargs['kernel_size'], kwargs['group'], kwargs['up'], impl=impl)
        assert_parity(out, case['outputs'][0], f'{kwargs} out')
        out.backward(case['grad_outputs'][0])
        assert_parity(x.grad, case['grad_inputs']['x'], f'{kwargs} grad x')
        assert_parity(mask.grad, case['grad_inputs']['mask'], f'{kwargs} grad mask')


def test_parity_with_mmcvs_cuda_vectors(shared, assert_parity):
    def read(name, *shape):
        buffer = bytearray(shared(f'golden/mmcv_carafe/carafe_{name}.bin').read_bytes())
        return torch.frombuffer(buffer, dtype=torch.float32).view(shape)

    feat = read('feat', 2, 64, 3, 3).requires_grad_()
    mask = read('mask', 2, 100, 6, 6).requires_grad_()
    out = carafe(feat, mask, 5, 4, 2)
    assert_parity(out, read('output', 2, 64, 6, 6), 'output')
    out.sum().backward()
    assert_parity(feat.grad, read('feat_grad', 2, 64, 3, 3), 'feature gradient')
    assert_parity(mask.grad, read('mask_grad', 2, 100, 6, 6), 'mask gradient')


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_no_worse_than_plain_torch(dtype):
    features, masks = (t.detach() for t in inputs((9, 11), (18, 22), c=8, groups=1, k=5, dtype=torch.float32))
    masks = masks.softmax(dim=1)
    exact = carafe(features.to(dtype).double(), masks.to(dtype).double(), 5, 1, 2)
    ours = carafe(features.to(dtype), masks.to(dtype), 5, 1, 2)
    plain = carafe(features.to(dtype), masks.to(dtype), 5, 1, 2, impl='reference')
    assert ours.dtype == dtype
    assert (ours - exact).abs().max() <= (plain - exact).abs().max()


def test_layouts_and_unused_gradients(assert_same):
    features, masks = inputs((4, 6), (8, 12))
    expected = carafe(features, masks, 3, 2, 2)
    for view in (
        lambda t: t.to(memory_format=torch.channels_last),
        lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        assert_same(carafe(view(features), view(masks), 3, 2, 2), expected)
    carafe(features.detach(), masks, 3, 2, 2).sum().backward()
    assert features.grad is None and masks.grad is not None


@pytest.mark.parametrize('impl', IMPLS[:2])
def test_saves_only_its_inputs(impl):
    features, masks = inputs((8, 8), (16, 16))
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        carafe(features, masks, 3, 2, 2, impl=impl)
    assert {t.data_ptr() for t in saved} == {features.data_ptr(), masks.data_ptr()}


@needs_tracer
@pytest.mark.parametrize('impl', IMPLS[:2])
def test_compiles_without_a_graph_break(impl, assert_same):
    features, masks = inputs((5, 6), (10, 12), dtype=torch.float32)
    compiled = torch.compile(lambda f, m: carafe(f, m, 3, 2, 2, impl=impl), fullgraph=True, backend='aot_eager')
    out = compiled(features, masks)
    assert_same(out, carafe(features, masks, 3, 2, 2))
    out.sum().backward()
    grad = features.grad.clone()
    features.grad = None
    carafe(features, masks, 3, 2, 2).sum().backward()
    assert_same(grad, features.grad)


@pytest.mark.parametrize(
    'change, error, message',
    [
        (dict(kernel_size=4), ValueError, 'kernel_size must be odd'),
        (dict(groups=3), ValueError, 'groups must divide the 4'),
        (dict(groups=1), ValueError, 'masks must have .* 9 channels, got 18'),
        (dict(scale_factor=3), ValueError, 'masks must be 3 times the 3x5 features'),
        (dict(padding='wrap'), ValueError, 'padding must be one of'),
        (dict(impl='cuda'), ValueError, 'impl must be one of'),
        (dict(features=torch.zeros(4, 3, 5)), ValueError, 'features must be 4-D'),
        (dict(features=torch.zeros(1, 4, 3, 5)), ValueError, 'one batch size, got 1 and 2'),
        (dict(features=torch.zeros(2, 4, 0, 5)), ValueError, 'empty map'),
        (dict(features=torch.zeros(2, 4, 3, 5, dtype=torch.int64)), TypeError, 'features must be floating point'),
        (dict(features=torch.zeros(2, 4, 3, 5, dtype=torch.float16)), TypeError, 'must share dtype and device'),
    ],
)
def test_bad_input(change, error, message):
    good = dict(
        features=torch.zeros(2, 4, 3, 5), masks=torch.zeros(2, 18, 6, 10), kernel_size=3, groups=2, scale_factor=2
    )
    carafe(**good)
    with pytest.raises(error, match=message):
        carafe(**{**good, **change})


def test_source_index_is_exact_where_floats_round():
    for coarse in range(1, 40):
        for fine in range(1, 120, 7):
            assert source_index(coarse, fine).tolist() == [y * coarse // fine for y in range(fine)]
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert resize_nearest(x, (2, 3)) is x
    assert resize_nearest(x, (3, 5)).tolist() == [[[[0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]]]


def test_gradients_that_are_differentiated_again_are_the_same_gradients():
    """Also where one map was made of the other: kernels that are predicted from the features."""
    features = torch.randn(2, 9, 5, 6, dtype=torch.float64, requires_grad=True)

    def loss():
        masks = F.interpolate(features, (10, 12)).softmax(1)
        attended = fns_attention(masks, features, 3).square().sum()
        alike = window_similarity(F.interpolate(features, (10, 12)), features, 3).square().sum()
        return carafe(features, masks, 3).square().sum() + attended + alike

    (plain,) = torch.autograd.grad(loss(), features)
    (again,) = torch.autograd.grad(loss(), features, create_graph=True)
    torch.testing.assert_close(again, plain)
