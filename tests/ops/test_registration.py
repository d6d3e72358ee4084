"""The operators as torch sees them: checked registration, compilers with free sizes, exporters."""

import pytest
import torch
import torch.nn.functional as F
from small_upsamplers import CFGS

from freqfusion_mm.layers import build_fusion
from freqfusion_mm.ops import hamming_window
from freqfusion_mm.ops.group_norm_conv import group_norm_conv
from freqfusion_mm.ops.library import CAN_REGISTER
from freqfusion_mm.ops.opaque import conv2d, grid_sample, resize_bilinear
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


@pytest.mark.parametrize('name', ['carafe', 'FreqFusion', 'ReSFU'])
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
        (lambda t: operators.normalize_kernels(t, 3, window), lambda t: by_softmax(t, window), logits),
        (lambda t: operators.neighbour_similarity(t, 2)[0], lambda t: neighbour_similarity(t, 2), features),
    ):
        for actual, expected in zip(*both_ways(op, definition, tensor)):
            assert actual.is_contiguous(memory_format=layout)
            assert_same(actual, expected)
    torch.library.opcheck(operators.normalize_kernels, (logits.requires_grad_(), 3, window))
    torch.library.opcheck(operators.neighbour_similarity, (features.requires_grad_(), 2))


def test_second_derivatives_of_operators_of_one_map():
    operators, window = torch.ops.freqfusion_mm, hamming_window(3)
    logits, features = (torch.randn(1, channels, 2, 3, dtype=torch.float64, requires_grad=True) for channels in (9, 2))
    assert torch.autograd.gradgradcheck(lambda t: operators.normalize_kernels(t, 3, window), logits)
    assert torch.autograd.gradgradcheck(lambda t: operators.neighbour_similarity(t, 1)[0], features)


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('grad_channels_last', [False, True])
def test_norm_and_convolution_as_one(channels_last, grad_channels_last, assert_same):
    features = torch.randn(2, 8, 5, 7, dtype=torch.float64)
    grad = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    if channels_last:
        features = features.to(memory_format=torch.channels_last)
    if grad_channels_last:
        grad = grad.to(memory_format=torch.channels_last)
    shapes = (8,), (8,), (6, 8, 1, 1), (6,)
    inputs = [features, *(torch.randn(shape, dtype=torch.float64) for shape in shapes)]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    actual = group_norm_conv(*inputs, groups=4, eps=1e-3)
    expected = F.conv2d(F.group_norm(inputs[0], 4, *inputs[1:3], 1e-3), *inputs[3:])
    assert_same(actual, expected)
    wanted = torch.autograd.grad(expected, inputs, grad)
    for ours, theirs in zip(torch.autograd.grad(actual, inputs, grad, retain_graph=True), wanted):
        assert_same(ours, theirs)
    for index in range(5):  # each gradient alone
        assert_same(torch.autograd.grad(actual, inputs[index], grad, retain_graph=True)[0], wanted[index])
    torch.library.opcheck(torch.ops.freqfusion_mm.group_norm_conv, (*inputs, 4, 1e-3))


def test_norm_and_convolution_as_one_differentiate_twice():
    shapes = (1, 4, 2, 3), (4,), (4,), (3, 4, 1, 1), (3,)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradgradcheck(lambda *tensors: group_norm_conv(*tensors, groups=2), inputs)


def test_norm_and_convolution_as_one_keep_the_features_alone():
    features = torch.randn(1, 8, 6, 6, requires_grad=True)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        group_norm_conv(features, torch.ones(8), torch.zeros(8), torch.randn(3, 8, 1, 1), torch.zeros(3), groups=2)
    assert [tensor.data_ptr() for tensor in kept if tensor.shape == features.shape] == [features.data_ptr()]


@pytest.mark.parametrize(
    'name, function, args, options',
    [
        ('grid_sample', grid_sample, ((2, 6, 5, 7), (2, 3, 7, 4, 2)), ()),
        ('resize_bilinear', lambda x, *size: resize_bilinear(x, size), ((2, 3, 5, 6),), (11, 13)),
        ('conv2d', conv2d, ((2, 6, 9, 8), (4, 3, 3, 2), (4,)), ((2, 1), (1, 0), (1, 2), 2)),
        ('conv2d', conv2d, ((2, 3, 5, 7), (4, 3, 1, 1)), (None, (1, 1), (0, 0), (1, 1), 1)),
    ],
)
@pytest.mark.parametrize('channels_last', [False, True])
def test_torch_kernels_as_operators(name, function, args, options, channels_last, assert_same):
    layout = torch.channels_last if channels_last else torch.contiguous_format
    maps = [torch.rand(shape, dtype=torch.float64) for shape in args]
    maps = [(t.to(memory_format=layout) if t.dim() == 4 else t).requires_grad_() for t in maps]
    operator = getattr(torch.ops.freqfusion_mm, name)
    actual, expected = operator(*maps, *options), function(*maps, *options)
    assert_same(actual, expected)
    grad = torch.randn_like(expected)
    for ours, theirs in zip(torch.autograd.grad(actual, maps, grad), torch.autograd.grad(expected, maps, grad)):
        assert_same(ours, theirs)
    torch.library.opcheck(operator, (*maps, *options))
