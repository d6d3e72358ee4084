import pytest
import torch

from freqfusion_mm.ops.reassembly import reference


@pytest.fixture
def kernels(triton_device):
    from freqfusion_mm.ops.reassembly import triton_reassembly as reassembly

    return reassembly


def inputs(size, fine, k, groups, c=4, n=1, dtype=torch.float64):
    return torch.randn(n, c, *size, dtype=dtype), torch.randn(n, groups * k * k, *fine, dtype=dtype)


def by_reference(features, masks, grad, *config):
    features, masks = features.clone().requires_grad_(), masks.clone().requires_grad_()
    out = reference.carafe(features, masks, *config)
    return [out.detach(), *torch.autograd.grad(out, (features, masks), grad)]


def by_kernels(kernels, device, features, masks, grad, *config):
    features, masks, grad = (tensor.to(device) for tensor in (features, masks, grad))
    assert kernels.why_not(features, masks, *config) is None
    return [
        kernels.forward(features, masks, *config),
        *kernels.backward(grad, features, masks, *config, needs=(True, True)),
    ]


def assert_equal(actual, expected, assert_same):
    for what, ours, wanted in zip(('out', 'grad features', 'grad masks'), actual, expected):
        scale = wanted.abs().max()
        assert_same(ours.cpu() / scale, wanted / scale, what)


@pytest.mark.parametrize(
    'size, fine, k, groups, padding',
    [
        ((3, 5), (6, 10), 3, 2, 'zeros'),
        ((3, 4), (6, 8), 3, 1, 'reflect'),
        ((2, 3), (4, 6), 3, 2, 'replicate'),
        ((3, 4), (5, 9), 5, 1, 'reflect'),  # fractional, and mirrored twice
        ((4, 3), (5, 4), 3, 1, 'replicate'),
        ((6, 7), (4, 3), 3, 1, 'reflect'),  # fewer fine pixels than coarse ones
        ((1, 2), (3, 3), 3, 1, 'reflect'),
        ((1, 2), (3, 3), 5, 1, 'replicate'),
        ((4, 5), (4, 5), 1, 1, 'replicate'),
    ],
)
def test_equals_the_reference(size, fine, k, groups, padding, kernels, triton_device, assert_same):
    features, masks = inputs(size, fine, k, groups)
    grad = torch.randn(1, 4, *fine, dtype=torch.float64)
    actual = by_kernels(kernels, triton_device, features, masks, grad, k, groups, padding)
    assert_equal(actual, by_reference(features, masks, grad, k, groups, padding), assert_same)


def test_many_tiles_channels_and_samples_in_float32(kernels, triton_device, assert_same):
    features, masks = inputs((9, 9), (18, 18), 3, 1, c=70, n=2, dtype=torch.float32)
    grad = torch.randn(2, 70, 18, 18)
    actual = by_kernels(kernels, triton_device, features, masks, grad, 3, 1, 'zeros')
    assert_equal(actual, by_reference(features, masks, grad, 3, 1, 'zeros'), assert_same)


def test_memory_layouts(kernels, triton_device, assert_same):
    features, masks = inputs((3, 4), (6, 8), 3, 2)
    grad = torch.randn(1, 4, 6, 8, dtype=torch.float64)
    expected = by_reference(features, masks, grad, 3, 2, 'zeros')
    for layout in (
        lambda t: t.to(memory_format=torch.channels_last),
        lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        actual = by_kernels(kernels, triton_device, layout(features), layout(masks), layout(grad), 3, 2, 'zeros')
        assert_equal(actual, expected, assert_same)
        assert actual[1].stride() == layout(features).stride()
    features = features.to(memory_format=torch.channels_last).to(triton_device)
    out = kernels.forward(features, masks.to(triton_device), 3, 2, 'zeros')
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_a_gradient_that_is_one_number_for_all_pixels(kernels, triton_device, assert_same):
    features, masks = inputs((3, 4), (6, 8), 3, 1)
    grad = torch.ones((), dtype=torch.float64).expand(1, 4, 6, 8)
    actual = by_kernels(kernels, triton_device, features, masks, grad, 3, 1, 'zeros')
    assert_equal(actual, by_reference(features, masks, grad, 3, 1, 'zeros'), assert_same)


def test_places_of_huge_maps(kernels, triton_device, monkeypatch, assert_same):
    import triton.language as tl

    assert kernels.index_dtype(torch.empty(8, 64, 1024, 1024, device='meta')) == tl.int32
    assert kernels.index_dtype(torch.empty(1, 2048, 1024, 1025, device='meta')) == tl.int64
    monkeypatch.setattr(kernels, 'index_dtype', lambda *tensors: tl.int64)
    features, masks = inputs((2, 3), (4, 6), 3, 1)
    grad = torch.randn(1, 4, 4, 6, dtype=torch.float64)
    actual = by_kernels(kernels, triton_device, features, masks, grad, 3, 1, 'zeros')
    assert_equal(actual, by_reference(features, masks, grad, 3, 1, 'zeros'), assert_same)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_no_worse_than_plain_torch(dtype, kernels, triton_device, assert_half_close):
    features, masks = inputs((4, 5), (8, 10), 3, 1, c=8)
    rounded = [tensor.to(dtype) for tensor in (features, masks.softmax(dim=1), torch.randn(1, 8, 8, 10))]
    exact = by_reference(*[tensor.double() for tensor in rounded], 3, 1, 'zeros')
    plain = by_reference(*rounded, 3, 1, 'zeros')
    ours = by_kernels(kernels, triton_device, *rounded, 3, 1, 'zeros')
    for what, *results in zip(('out', 'grad features', 'grad masks'), ours, plain, exact):
        assert results[0].dtype == dtype
        assert_half_close(*results, what)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('dtype', [torch.float16, torch.float32])
@pytest.mark.parametrize('padding', ['zeros', 'reflect', 'replicate'])
@pytest.mark.parametrize('fine', [(200, 336), (199, 301)])
def test_pyramid_sizes_on_a_gpu(fine, padding, dtype, kernels, triton_device, assert_half_close):
    features, masks = inputs((100, 168), fine, 5, 1, c=256, n=2, dtype=dtype)
    arguments = [tensor.cuda() for tensor in (features, masks, torch.randn(2, 256, *fine, dtype=dtype))]
    exact = by_reference(*[tensor.double() for tensor in arguments], 5, 1, padding)
    plain = by_reference(*arguments, 5, 1, padding)
    ours, again = (by_kernels(kernels, triton_device, *arguments, 5, 1, padding) for _ in range(2))
    for what, *results in zip(('out', 'grad features', 'grad masks'), ours, plain, exact, again):
        assert torch.equal(results[0], results.pop()), f'{what} differs between two runs'
        assert_half_close(results[0], results[1], results[2].cpu(), what)


def test_a_strip_too_long_for_32_bit_places_goes_another_way(kernels):
    strip, masks = torch.empty(1, 1, 1, 32800, device='meta'), torch.empty(1, 25, 1, 65600, device='meta')
    assert 'at most 2**30 coarse times fine' in kernels.why_not(strip, masks, 5, 1, 'zeros')
