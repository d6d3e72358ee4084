import pytest
import torch

from freqfusion_mm.ops.reassembly import fns_attention

NAMES = ('out', 'grad attn', 'grad value')


@pytest.fixture
def kernels(triton_device):
    from freqfusion_mm.ops.reassembly import triton_fns_attention as kernels

    return kernels


def inputs(size, fine, k, c=4, n=1):
    return torch.randn(n, k * k, *fine, dtype=torch.float64), torch.randn(n, c, *size, dtype=torch.float64)


def by_reference(attn, value, grad, k):
    attn, value = attn.clone().requires_grad_(), value.clone().requires_grad_()
    out = fns_attention(attn, value, k, impl='reference')
    return [out.detach(), *torch.autograd.grad(out, (attn, value), grad)]


def by_kernels(kernels, device, attn, value, grad, k):
    attn, value, grad = (tensor.to(device) for tensor in (attn, value, grad))
    assert kernels.why_not(attn, value, k) is None
    return [
        kernels.forward(attn, value, k),
        *kernels.backward(grad, attn, value, k, needs=(True, True)),
    ]


@pytest.mark.parametrize(
    'size, fine, k',
    [((2, 4), (4, 8), 3), ((2, 3), (5, 7), 3), ((1, 2), (3, 3), 3), ((5, 7), (3, 4), 3), ((2, 2), (8, 8), 1)],
)
def test_equals_the_reference(size, fine, k, kernels, triton_device, assert_same):
    attn, value = inputs(size, fine, k)
    grad = torch.randn(1, 4, *fine, dtype=torch.float64)
    actual = by_kernels(kernels, triton_device, attn, value, grad, k)
    for what, ours, expected in zip(NAMES, actual, by_reference(attn, value, grad, k)):
        assert_same(ours.cpu(), expected, what)


def test_channels_last(kernels, triton_device, assert_same):
    attn, value = inputs((2, 3), (4, 9), 3)
    grad = torch.randn(1, 4, 4, 9, dtype=torch.float64)
    last = [tensor.to(memory_format=torch.channels_last) for tensor in (attn, value, grad)]
    for what, ours, expected in zip(
        NAMES, by_kernels(kernels, triton_device, *last, 3), by_reference(attn, value, grad, 3)
    ):
        assert ours.is_contiguous(memory_format=torch.channels_last)
        assert_same(ours.cpu(), expected, what)


@pytest.mark.parametrize('dtype, attn_dtype', [(torch.float16, torch.float32), (torch.bfloat16, torch.bfloat16)])
def test_half_precision_is_no_worse_than_plain_torch(dtype, attn_dtype, kernels, triton_device, assert_half_close):
    attn, value = inputs((3, 4), (6, 8), 3)
    rounded = attn.softmax(dim=1).to(attn_dtype), value.to(dtype), torch.randn(1, 4, 6, 8).to(dtype)
    exact = by_reference(*[tensor.double() for tensor in rounded], 3)
    plain = by_reference(*rounded, 3)
    ours = by_kernels(kernels, triton_device, *rounded, 3)
    assert [result.dtype for result in ours] == [dtype, attn_dtype, dtype]
    for what, *results in zip(NAMES, ours, plain, exact):
        assert_half_close(*results, what)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('fine', [(256, 256), (200, 301)])
def test_high_ratios_on_a_gpu(fine, kernels, triton_device, assert_same):
    attn, value = (tensor.float().cuda() for tensor in inputs((32, 32), fine, 3, c=256, n=2))
    grad = torch.randn(2, 256, *fine, device='cuda')
    ours, again = (by_kernels(kernels, triton_device, attn, value, grad, 3) for _ in range(2))
    for what, actual, repeated, expected in zip(NAMES, ours, again, by_reference(attn, value, grad, 3)):
        assert torch.equal(actual, repeated), f'{what} differs between two runs'
        assert_same(actual / expected.abs().max(), expected / expected.abs().max(), what)
