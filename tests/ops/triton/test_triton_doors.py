"""The operators, asked for their kernels: values, gradients and their gradients through the registered call."""

import pytest
import torch

from freqfusion_mm.ops import hamming_window
from freqfusion_mm.ops.kernels import normalize_kernels
from freqfusion_mm.ops.library import CAN_REGISTER
from freqfusion_mm.ops.reassembly import carafe, fns_attention
from freqfusion_mm.ops.similarity import neighbour_similarity

pytestmark = pytest.mark.skipif(not CAN_REGISTER, reason='torch registers Python operators from 2.4 on')


def check(op, definition, tensors, assert_same):
    tensors = [tensor.requires_grad_() for tensor in tensors]
    actual, expected = op(*tensors), definition(*tensors)
    assert_same(actual, expected)
    grad = torch.randn_like(expected)
    for ours, wanted in zip(
        *(torch.autograd.grad(out, tensors, grad, retain_graph=True) for out in (actual, expected))
    ):
        assert_same(ours, wanted)
    grad.requires_grad_()
    weights = [torch.randn_like(tensor) for tensor in tensors]
    for ours, wanted in zip(*(second_derivatives(out, tensors, grad, weights) for out in (actual, expected))):
        assert_same(ours, wanted)


def second_derivatives(out, tensors, grad, weights):
    grads = torch.autograd.grad(out, tensors, grad, create_graph=True)
    return torch.autograd.grad(grads, (*tensors, grad), weights)


def test_named_kernels_run(triton_device, assert_same):
    features = torch.randn(1, 4, 3, 4, dtype=torch.float64, device=triton_device)
    masks = torch.randn(1, 9, 6, 9, dtype=torch.float64, device=triton_device)
    check(
        lambda f, m: carafe(f, m, 3, impl='triton'),
        lambda f, m: carafe(f, m, 3, impl='reference'),
        (features, masks),
        assert_same,
    )
    check(
        lambda m, f: fns_attention(m, f, 3, impl='triton'),
        lambda m, f: fns_attention(m, f, 3, impl='reference'),
        (masks, features),
        assert_same,
    )


def test_normaliser_and_similarity_run(triton_device, assert_same):
    window = hamming_window(3).to(triton_device)
    tensor = torch.randn(1, 9, 3, 4, dtype=torch.float64)
    on_device = tensor.to(triton_device)
    check(
        lambda t: normalize_kernels(t, 3, window, impl='triton').cpu(),
        lambda t: normalize_kernels(t.cpu(), 3, window.cpu(), impl='reference'),
        (on_device,),
        assert_same,
    )
    check(
        lambda t: neighbour_similarity(t, 2, impl='triton').cpu(),
        lambda t: neighbour_similarity(t.cpu(), 2, impl='reference'),
        (on_device,),
        assert_same,
    )


def test_refused_for_its_reason(needs_triton):
    features, masks = torch.zeros(70000, 1, 1, 1), torch.zeros(70000, 1, 1, 1)
    with pytest.raises(ValueError, match="impl='triton' cannot run here: the Triton kernels"):
        carafe(features, masks, 1, impl='triton')
