"""The operators as torch sees them: checked registration, compilers with free sizes, exporters."""

import pytest
import torch
from small_upsamplers import CFGS

from freqfusion_mm import ops
from freqfusion_mm.layers import build_fusion
from freqfusion_mm.ops import hamming_window
from freqfusion_mm.ops.library import CAN_REGISTER
from freqfusion_mm.ops.reassembly import carafe, fns_attention
from freqfusion_mm.ops.similarity import neighbour_similarity

pytestmark = pytest.mark.skipif(not CAN_REGISTER, reason='torch registers Python operators from 2.4 on')


def maps(fine=(6, 10), dtype=torch.float32, channels_last=False):
    tensors = torch.randn(2, 4, 3, 5, dtype=dtype), torch.randn(2, 9, *fine, dtype=dtype)
    if channels_last:
        tensors = [tensor.to(memory_format=torch.channels_last) for tensor in tensors]
    return [tensor.requires_grad_() for tensor in tensors]


@pytest.mark.parametrize('fine, channels_last', [((6, 10), False), ((7, 9), True)])
def test_opcheck(fine, channels_last):
    features, masks = maps(fine, channels_last=channels_last)
    grad = torch.randn(2, 4, *fine)
    operators = torch.ops.freqfusion_mm
    torch.library.opcheck(operators.carafe, (features, masks, 3, 1, 'reflect', 'auto'))
    torch.library.opcheck(operators.fns_attention, (masks, features, 3, 'auto'))
    features, masks = features.detach(), masks.detach()
    torch.library.opcheck(operators.carafe_backward, (grad, features, masks, 3, 1, 'zeros', 'auto', [True, True]))
    torch.library.opcheck(operators.fns_attention_backward, (grad, masks, features, 3, 'auto', [True, False]))


def test_one_compilation_serves_all_sizes(assert_same):
    counter = torch._dynamo.testing.CompileCounterWithBackend('aot_eager')
    compiled = torch.compile(
        lambda f, m: fns_attention(m, carafe(f, m, 3, padding='reflect'), 3),
        fullgraph=True,
        dynamic=True,
        backend=counter,
    )
    for fine in ((6, 10), (7, 13), (9, 11)):
        features, masks = maps(fine)
        expected = fns_attention(masks, carafe(features, masks, 3, padding='reflect'), 3)
        actual = compiled(features, masks)
        assert_same(actual, expected)
        for ours, wanted in zip(
            torch.autograd.grad(actual.square().sum(), (features, masks)),
            torch.autograd.grad(expected.square().sum(), (features, masks)),
        ):
            assert_same(ours / wanted.abs().max(), wanted / wanted.abs().max())
    assert counter.frame_count == 1


@pytest.mark.parametrize('name', ['carafe', 'FreqFusion', pytest.param('ReSFU', marks=pytest.mark.slow)])
def test_exports_with_free_sizes(name, assert_same):
    fusion = build_fusion(CFGS[name], 16, 12).eval()
    free = torch.export.Dim.AUTO
    dims = {0: free, 2: free, 3: free}
    exported = torch.export.export(
        fusion,
        (torch.randn(2, 16, 5, 7), torch.randn(2, 12, 11, 13)),
        dynamic_shapes=(dims, dims),
        prefer_deferred_runtime_asserts_over_guards=True,
    )
    names = {node.target for node in exported.graph.nodes if node.op == 'call_function'}
    assert any(str(target).startswith('freqfusion_mm.') for target in names)
    pair = torch.randn(3, 16, 9, 6), torch.randn(3, 12, 19, 13)
    for actual, expected in zip(exported.module()(*pair), fusion(*pair)):
        assert_same(actual, expected)


@pytest.mark.parametrize('op', [carafe, fns_attention])
def test_a_named_way_is_refused_with_its_reason(op):
    if torch.cuda.is_available():
        pytest.skip('this machine may have what is missing')
    features, masks = maps()
    first, second = (features, masks) if op is carafe else (masks, features)
    with pytest.raises(ValueError, match="impl='triton' cannot run here: .*[Tt]riton .*Use impl='auto'"):
        op(first, second, 3, impl='triton')


def test_results_have_the_layout_of_the_features():
    features, masks = maps(channels_last=True)
    out = carafe(features, masks, 3)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert fns_attention(masks, features, 3).is_contiguous(memory_format=torch.channels_last)
    for grad in torch.autograd.grad(out.sum(), (features, masks)):
        assert grad.is_contiguous(memory_format=torch.channels_last)
    for op in (lambda: carafe(features, masks.contiguous(), 3), lambda: fns_attention(masks.contiguous(), features, 3)):
        assert op().is_contiguous(memory_format=torch.channels_last)  # whatever the layout of the weights


def both_ways(op, definition, tensor):
    """Result and gradient by a registered operator and by the definition."""
    leaf = tensor.clone().requires_grad_()
    grad = torch.randn_like(definition(leaf))
    return [(out.detach(), torch.autograd.grad(out, leaf, grad)[0]) for out in (op(leaf), definition(leaf))]


def by_softmax(logits, window):
    kernels = logits.unflatten(1, (-1, window.numel())).softmax(dim=2) * window.flatten()[:, None, None].to(
        logits.dtype
    )
    return (kernels / kernels.sum(dim=2, keepdim=True)).flatten(1, 2)


@pytest.mark.parametrize('channels_last', [False, True])
def test_operators_of_one_map(channels_last, assert_same):
    operators, window = torch.ops.freqfusion_mm, hamming_window(3)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    logits, features = (torch.randn(2, 18, 5, 6, dtype=torch.float64).to(memory_format=layout) for _ in range(2))
    features[0, :, 0, 0] = 0  # a vector without direction
    for op, definition, tensor in (
        (lambda t: operators.normalize_kernels(t, 3, window, 'auto'), lambda t: by_softmax(t, window), logits),
        (
            lambda t: operators.neighbour_similarity(t, 2, 'auto'),
            lambda t: neighbour_similarity(t, 2, impl='reference'),
            features,
        ),
    ):
        for actual, expected in zip(*both_ways(op, definition, tensor)):
            assert actual.is_contiguous(memory_format=layout)
            assert_same(actual, expected)
    torch.library.opcheck(operators.normalize_kernels, (logits.requires_grad_(), 3, window, 'auto'))
    torch.library.opcheck(operators.neighbour_similarity, (features.requires_grad_(), 2, 'auto'))


@pytest.mark.parametrize('name', ['carafe', 'fns_attention', 'window_similarity', 'box_mean', 'neighbour_similarity'])
def test_many_gradients_at_once(name, assert_same):
    draw = torch.Generator().manual_seed(0)
    shapes = {'carafe': [(1, 2, 2, 3), (1, 9, 4, 6)], 'fns_attention': [(1, 9, 4, 6), (1, 2, 2, 3)]}
    shapes['window_similarity'] = [(1, 2, 4, 6), (1, 2, 2, 3)]
    given = [torch.randn(size, generator=draw, dtype=torch.float64) for size in shapes.get(name, [(1, 2, 4, 5)])]
    options = {'box_mean': (1,), 'neighbour_similarity': ()}.get(name, (3,))

    def call(*maps):
        return getattr(ops, name)(*maps, *options)

    jacobian = torch.autograd.functional.jacobian
    for pair in zip(*(jacobian(call, tuple(given), vectorize=way) for way in (True, False))):
        assert_same(*pair)


def test_second_derivatives_of_operators_of_one_map():
    operators, window = torch.ops.freqfusion_mm, hamming_window(3)
    logits, features = (torch.randn(1, channels, 2, 3, dtype=torch.float64, requires_grad=True) for channels in (9, 2))
    assert torch.autograd.gradgradcheck(lambda t: operators.normalize_kernels(t, 3, window, 'auto'), logits)
    assert torch.autograd.gradgradcheck(lambda t: operators.neighbour_similarity(t, 1, 'auto'), features)
