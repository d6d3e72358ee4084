import pytest
import torch

from freqfusion_mm.ops.similarity import neighbour_similarity


@pytest.fixture
def kernels(triton_device):
    from freqfusion_mm.ops.similarity import triton_neighbour_similarity as kernels

    return kernels


def both_ways(kernels, device, features, grad, dilation):
    """Similarity and gradient, by the kernels and by torch."""
    leaf = features.clone().requires_grad_()
    expected = neighbour_similarity(leaf, dilation)
    ours = features.to(device)
    assert kernels.why_not(ours, dilation) is None
    return (
        (kernels.forward(ours, dilation), *kernels.backward(grad.to(device), ours, dilation)),
        (expected.detach(), torch.autograd.grad(expected, leaf, grad)[0]),
    )


@pytest.mark.parametrize('size, dilation', [((6, 7), 2), ((5, 4), 1), ((2, 5), 2), ((1, 1), 2)])
def test_equals_torch(size, dilation, kernels, triton_device, assert_same):
    features = torch.randn(2, 5, *size, dtype=torch.float64)
    features[0, :, 0, 0] = 0  # a vector without direction
    grad = torch.randn(2, 8, *size, dtype=torch.float64)
    ours, expected = both_ways(kernels, triton_device, features, grad, dilation)
    for what, actual, wanted in zip(('similarity', 'grad'), ours, expected):
        assert_same(actual.cpu(), wanted, what)


def test_memory_layouts(kernels, triton_device, assert_same):
    features, grad = torch.randn(1, 40, 3, 20), torch.randn(1, 8, 3, 20)
    for layout in (
        lambda t: t.to(memory_format=torch.channels_last),
        lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        ours, expected = both_ways(kernels, triton_device, layout(features), layout(grad), 2)
        for what, actual, wanted in zip(('similarity', 'grad'), ours, expected):
            assert_same(actual.cpu(), wanted, what)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_no_worse_than_plain_torch(dtype, kernels, triton_device, assert_half_close):
    features, grad = torch.randn(1, 8, 5, 6).to(dtype), torch.randn(1, 8, 5, 6).to(dtype)
    leaf = features.double().requires_grad_()
    exact = neighbour_similarity(leaf)
    exact = exact.detach(), torch.autograd.grad(exact, leaf, grad.double())[0]
    ours, plain = both_ways(kernels, triton_device, features, grad, 2)
    for what, *results in zip(('similarity', 'grad'), ours, plain, exact):
        assert_half_close(*results, what)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('value', [0.0, 1e4])
def test_extreme_half_precision(value, dtype, kernels, triton_device):
    features = torch.full((1, 16, 3, 3), value, dtype=dtype, device=triton_device)
    similarity = kernels.forward(features)
    (grad,) = kernels.backward(torch.ones_like(similarity), features)
    assert similarity.dtype == grad.dtype == dtype
    assert torch.isfinite(similarity).all() and torch.isfinite(grad).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('memory_format', [torch.contiguous_format, torch.channels_last])
def test_large_maps_on_a_gpu(memory_format, kernels, triton_device, assert_same):
    features = torch.randn(2, 64, 200, 336).to(memory_format=memory_format)
    ours, expected = both_ways(kernels, triton_device, features, torch.randn(2, 8, 200, 336), 2)
    for what, actual, wanted in zip(('similarity', 'grad'), ours, expected):
        assert_same(actual.cpu(), wanted, what)
