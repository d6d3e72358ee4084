"""The operators in half precision lose at most twice what their plain formulations lose, in values and gradients."""

import pytest
import torch
from plain_formulation import OPERATORS

from freqfusion_mm.ops import box_mean, hamming_window
from freqfusion_mm.ops.kernels import normalize_kernels
from freqfusion_mm.ops.reassembly import carafe, fns_attention, window_similarity
from freqfusion_mm.ops.similarity import neighbour_similarity

pytestmark = pytest.mark.skipif(
    not hasattr(torch.amp, 'is_autocast_available'),
    reason='this torch lacks plain functions in half precision on the CPU',
)

C, COARSE, FINE = 16, (8, 10), (16, 20)


def kernels(taps, size):
    return torch.randn(2, taps, *size).softmax(dim=1)


#: name -> the operator, its plain formulation, its maps (sizes of features, or what makes them), other arguments.
OPS = {
    'carafe': (carafe, OPERATORS['carafe'], (COARSE, lambda: kernels(25, FINE)), (5,)),
    'carafe of one size': (carafe, OPERATORS['carafe'], (FINE, lambda: kernels(9, FINE)), (3,)),
    'carafe of a fractional ratio': (carafe, OPERATORS['carafe'], (COARSE, lambda: kernels(25, (13, 27))), (5,)),
    'fns_attention': (
        lambda value, attn, k: fns_attention(attn, value, k),
        lambda value, attn, k: OPERATORS['fns_attention'](attn, value, k),
        (COARSE, lambda: kernels(9, FINE)),
        (3,),
    ),
    'normalize_kernels': (
        lambda logits: normalize_kernels(logits[:, :9], 3),
        lambda logits: OPERATORS['normalize_kernels'](logits[:, :9], 3),
        (FINE,),
        (),
    ),
    'normalize_kernels with a window': (
        lambda logits: normalize_kernels(logits[:, :9], 3, hamming_window(3)),
        lambda logits: OPERATORS['normalize_kernels'](logits[:, :9], 3, hamming_window(3)),
        (FINE,),
        (),
    ),
    'neighbour_similarity': (neighbour_similarity, OPERATORS['neighbour_similarity'], (FINE,), ()),
    'window_similarity': (window_similarity, OPERATORS['window_similarity'], (FINE, COARSE), (3,)),
    'box_mean': (box_mean, OPERATORS['box_mean'], (FINE,), (4,)),
}


def results(op, maps, grad, options):
    maps = [tensor.clone().requires_grad_() for tensor in maps]
    out = op(*maps, *options)
    return [out.detach(), *torch.autograd.grad(out, maps, grad.to(out.dtype))]


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('name', OPS)
def test_error_is_at_most_twice_that_of_plain_torch(name, dtype):
    op, formulation, maps, options = OPS[name]
    for level, spread in ((0, 1), (4, 1), (0, 100)):
        tensors = [make() if callable(make) else level + spread * torch.randn(2, C, *make) for make in maps]
        tensors = [tensor.to(dtype) for tensor in tensors]
        doubles = [tensor.double() for tensor in tensors]
        grad = torch.randn(op(*doubles, *options).shape).to(dtype)
        exact = results(op, doubles, grad, options)
        ours = results(op, tensors, grad, options)
        plain = results(formulation, tensors, grad, options)
        for number, (*both, wanted) in enumerate(zip(ours, plain, exact)):
            error, allowed = ((result.double() - wanted).square().mean().sqrt() for result in both)
            assert error <= 2 * allowed, (
                f'level {level}, spread {spread}, tensor {number}: error {error:.2e}, plain torch {allowed:.2e}'
            )


def test_definitions_sum_in_the_wider_dtype():
    features, masks = torch.randn(1, 2, 4, 5), torch.randn(1, 49, 8, 10)
    exact = carafe(features.double(), masks.double(), 7, impl='reference')
    halves = carafe(features.half(), masks.half(), 7, impl='reference')
    again = carafe(features.half().float(), masks.half().float(), 7, impl='reference')
    torch.testing.assert_close(halves, again.half(), rtol=0, atol=0)
    attn, value = torch.randn(1, 9, 8, 10), torch.randn(1, 2, 4, 5, dtype=torch.float64)
    found, wanted = (fns_attention(each, value, 3, impl='reference') for each in (attn, attn.double()))
    assert found.dtype == wanted.dtype == exact.dtype
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
