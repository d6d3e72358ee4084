"""`with_cp` of every learned upsampler: the same results and gradients, of less memory."""

import copy

import pytest
import torch
from small_upsamplers import CFGS
from torch import nn

from freqfusion_mm.layers import UPSAMPLERS, build_fusion, option_names

LEARNED = sorted(set(CFGS) - {'nearest', 'bilinear', 'bicubic'})
LR, HR = 16, 12


def maps():
    return [torch.randn(2, channels, *size, requires_grad=True) for channels, size in ((LR, (6, 7)), (HR, (13, 14)))]


def pair(name):
    plain = build_fusion(CFGS[name], LR, HR)
    frugal = build_fusion(dict(CFGS[name], with_cp=True), LR, HR)
    frugal.load_state_dict(plain.state_dict())
    return plain, frugal


def kept(fusion, inputs):
    """Bytes that a forward pass keeps for the backward pass beyond its inputs and weights."""
    known = {tensor.untyped_storage().data_ptr() for tensor in (*inputs, *fusion.parameters(), *fusion.buffers())}
    found = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        outs = fusion(*inputs)
    return sum(size for size, _ in found.values()), outs


@pytest.mark.parametrize('name', LEARNED)
def test_same_numbers_of_less_memory(name, assert_same):
    plain, frugal = pair(name)
    inputs = maps()
    results = []
    for fusion in (plain, frugal):
        size, outs = kept(fusion, inputs)
        parameters = list(fusion.parameters())
        grads = torch.autograd.grad(sum(out.square().sum() for out in outs), [*inputs, *parameters], allow_unused=True)
        results.append((size, outs, grads))
    (size, outs, grads), (frugal_size, frugal_outs, frugal_grads) = results
    for ours, theirs in zip((*frugal_outs, *frugal_grads), (*outs, *grads)):
        assert_same(ours, theirs, name)
    assert frugal_size < size


@pytest.mark.parametrize('name', LEARNED)
def test_statistics_count_a_batch_once(name):
    for fusion in (states := pair(name)):
        for _ in range(2):
            sum(out.sum() for out in fusion(*maps_of(0))).backward()
    for (key, plain), frugal in zip(states[0].named_buffers(), states[1].buffers()):
        assert torch.equal(plain, frugal), key


def maps_of(seed):
    torch.manual_seed(seed)
    return maps()


def test_batch_norm_inside_is_found():
    plain, frugal = pair('IndexNet')
    assert any(isinstance(module, nn.BatchNorm2d) for module in frugal.modules())
    sum(out.sum() for out in frugal(*maps())).backward()
    norm = next(module for module in frugal.modules() if isinstance(module, nn.BatchNorm2d))
    assert int(norm.num_batches_tracked) == 1 and norm.momentum == 0.1


def test_nothing_is_recomputed_without_gradients(monkeypatch):
    from freqfusion_mm.layers import recomputation

    monkeypatch.setattr(recomputation, 'checkpoint', None)
    _, frugal = pair('carafe')
    with torch.no_grad():
        frugal(*maps())


def test_every_learned_upsampler_has_it():
    for name in UPSAMPLERS:
        assert ('with_cp' in option_names(name)) == (name not in ('nearest', 'bilinear', 'bicubic')), name
    assert copy.deepcopy(pair('FADE')[1]).upsampler.with_cp


@pytest.mark.parametrize('name', sorted(set(LEARNED) - {'DySample', 'SAPA-D'}))  # grid_sample has no second derivative
def test_a_penalty_on_gradients_goes_through(name, assert_same):
    """The backward pass of a backward pass, and torch.func, which has no checkpoints."""
    results = []
    for fusion in pair(name):
        torch.manual_seed(0)
        lr_feat, hr_feat = maps()
        fusion = fusion.eval()
        if getattr(fusion, 'offset_generator', None) is not None:
            fusion.offset_generator = None
        (grad,) = torch.autograd.grad(fusion(lr_feat, hr_feat)[0].square().sum(), lr_feat, create_graph=True)
        grad.square().sum().backward()

        def loss(feat, fusion=fusion, hr_feat=hr_feat.detach()):
            return fusion(feat, hr_feat)[0].square().sum()

        results.append((grad.detach(), lr_feat.grad))
        assert_same(torch.func.grad(loss)(lr_feat.detach()), grad.detach())
    for plain, frugal in zip(*results):
        assert_same(frugal, plain)
