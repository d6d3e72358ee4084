import pytest
import torch

from freqfusion_mm.ops import hamming_window
from freqfusion_mm.ops.kernels import normalize_kernels
from tools.benchmark import unfold_formulation


@pytest.fixture
def kernels(triton_device):
    from freqfusion_mm.ops.kernels import triton_normalize_kernels as kernels

    return kernels


def layouts(tensor):
    return tensor, tensor.to(memory_format=torch.channels_last), tensor.transpose(2, 3).contiguous().transpose(2, 3)


@pytest.mark.parametrize('windowed', [False, True])
@pytest.mark.parametrize('dtype', [torch.float64, torch.float32])
def test_equals_softmax_times_window(dtype, windowed, kernels, triton_device, assert_same):
    logits = torch.randn(2, 50, 5, 7, dtype=dtype, requires_grad=True)
    window = hamming_window(5) if windowed else None
    expected = normalize_kernels(logits, 5, window)
    grad = torch.randn_like(expected)
    (expected_grad,) = torch.autograd.grad(expected, logits, grad)
    window = window if window is None else window.to(triton_device)
    for ours in layouts(logits.detach().to(triton_device)):
        assert kernels.why_not(ours, 5, window) is None
        result = kernels.forward(ours, 5, window)
        assert_same(result.cpu(), expected.detach())
        assert_same(kernels.backward(grad.to(triton_device), result, dtype, 5).cpu(), expected_grad)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('scale', [0, 1, 1e4])
def test_half_precision_logits_give_float32_kernels(scale, dtype, kernels, triton_device, assert_same):
    logits = (scale * torch.randn(1, 9, 3, 4)).to(dtype)
    result = kernels.forward(logits.to(triton_device), 3, hamming_window(3).to(triton_device))
    expected = normalize_kernels(logits, 3, hamming_window(3))
    assert_same(result.cpu(), expected)
    grad = kernels.backward(torch.ones_like(result), result, dtype, 3)
    assert grad.dtype == dtype and torch.isfinite(grad).all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_no_worse_than_plain_torch(dtype, kernels, triton_device, assert_half_close):
    logits, window, grad = torch.randn(1, 18, 4, 5).to(dtype), hamming_window(3), torch.randn(1, 18, 4, 5)
    results = []
    for op, leaf in ((normalize_kernels, logits.double()), (unfold_formulation.normalize_kernels, logits.clone())):
        out = op(leaf.requires_grad_(), 3, window)
        results.append((out.detach(), torch.autograd.grad(out, leaf, grad.to(out.dtype))[0]))
    out = kernels.forward(logits.to(triton_device), 3, window.to(triton_device))
    ours = out, kernels.backward(grad.to(triton_device), out, dtype, 3)
    for what, actual, exact, plain in zip(('kernels', 'grad'), ours, *results):
        assert_half_close(actual, plain, exact, what)


def test_why_not(kernels, triton_device):
    logits = torch.zeros(1, 9, 3, 4, device=triton_device)
    assert 'kernel_size up to 15, got 17' in kernels.why_not(torch.zeros(1, 289, 1, 1, device=triton_device), 17)
    assert 'not torch.int64' in kernels.why_not(logits.long(), 3)
