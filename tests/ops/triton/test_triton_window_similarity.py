import pytest
import torch

from freqfusion_mm.ops.reassembly import window_similarity
from tools.benchmark import unfold_formulation


def results(impl, query, key, grad):
    query, key = (tensor.detach().clone().requires_grad_() for tensor in (query, key))
    out = window_similarity(query, key, 3, impl=impl)
    return [out.detach(), *torch.autograd.grad(out, (query, key), grad)]


@pytest.mark.parametrize('size, fine', [((3, 5), (6, 10)), ((4, 3), (5, 7)), ((3, 4), (3, 4))])
def test_values_and_gradients_by_the_kernels_of_reassembly(size, fine, triton_device, assert_same):
    query, key = (torch.randn(2, 6, *shape, dtype=torch.float64, device=triton_device) for shape in (fine, size))
    grad = torch.randn(2, 9, *fine, dtype=torch.float64, device=triton_device)
    for ours, wanted in zip(results('triton', query, key, grad), results('reference', query, key, grad)):
        assert_same(ours, wanted)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision(dtype, triton_device, assert_half_close):
    query, key = (torch.randn(1, 16, *shape, device=triton_device).to(dtype) for shape in ((6, 10), (3, 5)))
    grad = torch.randn(1, 9, 6, 10, device=triton_device)
    exact = results('reference', query.double(), key.double(), grad.double())
    leaves = [tensor.clone().requires_grad_() for tensor in (query, key)]
    plain = unfold_formulation.window_similarity(*leaves, 3)
    plain = [plain.detach(), *torch.autograd.grad(plain, leaves, grad.to(dtype))]
    for ours, theirs, wanted in zip(results('triton', query, key, grad), plain, exact):
        assert_half_close(ours, theirs, wanted.cpu())
