import re

import pytest
import torch
import torch.nn.functional as F

from freqfusion_mm.ops import box_mean, hamming_window
from freqfusion_mm.ops.box_mean import _tap_sum
from freqfusion_mm.ops.kernels import normalize_kernels
from freqfusion_mm.ops.similarity import neighbour_similarity


def test_kernels_sum_to_one_and_equal_softmax_times_window(assert_same):
    logits = torch.randn(2, 3 * 25, 4, 5, dtype=torch.float64)
    window = hamming_window(5)
    kernels = normalize_kernels(logits, 5, window).view(2, 3, 25, 4, 5)
    expected = logits.view(2, 3, 25, 4, 5).softmax(dim=2) * window.double().view(25, 1, 1)
    assert_same(kernels, expected / expected.sum(dim=2, keepdim=True))
    assert_same(kernels.sum(dim=2), torch.ones(2, 3, 4, 5, dtype=torch.float64))


def test_window_is_numpys_hamming():
    numpy = pytest.importorskip('numpy')
    for k in (3, 5, 7):
        expected = numpy.outer(numpy.hamming(k), numpy.hamming(k)).astype('float32')
        assert hamming_window(k).tolist() == expected.tolist()


@pytest.mark.parametrize('scale', [0, 1, 1e4])
def test_kernels_of_half_precision_logits_are_float32_and_finite(scale):
    kernels = normalize_kernels(scale * torch.randn(1, 9, 4, 4).half(), 3, hamming_window(3))
    assert kernels.dtype == torch.float32
    assert torch.isfinite(kernels).all()


def test_kernels_refuse_other_channels():
    with pytest.raises(ValueError, match=r'\[N, G \* 9, H, W\].*got shape \(1, 10, 4, 4\)'):
        normalize_kernels(torch.zeros(1, 10, 4, 4), 3)
    with pytest.raises(ValueError, match='kernel_size must be positive, got 0'):
        normalize_kernels(torch.zeros(1, 9, 4, 4), 0)
    with pytest.raises(ValueError, match=r'window must be \[3, 3\], got shape \(5, 5\)'):
        normalize_kernels(torch.zeros(1, 9, 4, 4), 3, torch.ones(5, 5))


@pytest.mark.parametrize('size', [(6, 7), (1, 1), (2, 5)])
@pytest.mark.parametrize('dilation', [1, 2])
def test_similarity_equals_unfold(size, dilation, assert_same):
    x = torch.randn(2, 5, *size, dtype=torch.float64)
    patches = F.unfold(x, 3, dilation=dilation, padding=dilation).view(2, 5, 9, *size)
    expected = F.cosine_similarity(patches, patches[:, :, 4:5], dim=1)
    assert_same(neighbour_similarity(x, dilation), expected[:, [0, 1, 2, 3, 5, 6, 7, 8]])


@pytest.mark.parametrize('impl', ['gathered', 'reference'])
def test_similarity_gradient(impl):
    features = torch.randn(1, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: neighbour_similarity(t, impl=impl), features)


@pytest.mark.parametrize('impl', ['gathered', 'reference'])
def test_a_vector_without_a_direction_learns_none(impl):
    """The derivative of a clamped norm is 1e8 there: a step that every other pixel's is nothing beside."""
    features = torch.randn(1, 3, 4, 5, dtype=torch.float64)
    features[..., 1, 1], features[..., 2, 3], features[..., 3, 0] = 0, 1e-10, 1e-6
    leaf = features.clone().requires_grad_()
    similarity = neighbour_similarity(leaf, 1, impl=impl)
    assert (similarity[..., 1, 1] == 0).all() and (similarity[..., 2, 3] == 0).all() and similarity[..., 3, 0].any()
    (grad,) = torch.autograd.grad(similarity.square().sum(), leaf, create_graph=True)
    assert (grad[..., 1, 1] == 0).all() and (grad[..., 2, 3] == 0).all() and grad[..., 3, 0].abs().max() > 1e3
    ordinary = torch.ones(4, 5, dtype=torch.bool)
    ordinary[1, 1] = ordinary[2, 3] = ordinary[3, 0] = False
    assert 0 < grad[..., ordinary].abs().max() < 100
    (second,) = torch.autograd.grad(grad.sum(), leaf)
    assert torch.isfinite(second).all() and (second[..., 1, 1] == 0).all()
    half = features.half().requires_grad_()
    neighbour_similarity(half, 1, impl=impl).backward(torch.full((1, 8, 4, 5), 1e-2, dtype=torch.float16))
    assert torch.isfinite(half.grad).all()


@pytest.mark.parametrize('impl', ['softmax', 'reference'])
def test_gradient_of_kernels(impl):
    logits, window = torch.randn(1, 18, 2, 3, dtype=torch.float64, requires_grad=True), hamming_window(3).double()
    assert torch.autograd.gradcheck(lambda t: normalize_kernels(t, 3, window, impl=impl), logits)


def test_a_window_that_learns_has_its_gradient_by_the_definition():
    logits = torch.randn(1, 9, 2, 3, dtype=torch.float64)
    window = torch.rand(3, 3, dtype=torch.float64).add(0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda t: normalize_kernels(logits, 3, t), window)
    with pytest.raises(ValueError, match="impl='softmax' has no gradient for the window"):
        normalize_kernels(logits, 3, window, impl='softmax')


@pytest.mark.parametrize('op, shape', [(neighbour_similarity, (1, 9, 4, 4)), (normalize_kernels, (1, 9, 4, 4))])
def test_an_unknown_implementation(op, shape):
    with pytest.raises(ValueError, match="impl must be one of .*'reference'.*got 'cuda'"):
        op(torch.zeros(shape), 3, impl='cuda')


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize('value', [0.0, 1e4])
def test_similarity_of_extreme_half_precision(dtype, value):
    x = torch.full((1, 64, 5, 5), value, dtype=dtype, requires_grad=True)
    similarity = neighbour_similarity(x)
    similarity.sum().backward()
    assert similarity.dtype == dtype
    assert torch.isfinite(similarity).all() and torch.isfinite(x.grad).all()


def test_similarity_bad_input():
    with pytest.raises(ValueError, match='dilation must be at least 1'):
        neighbour_similarity(torch.zeros(1, 1, 2, 2), 0)
    with pytest.raises(ValueError, match='features must be'):
        neighbour_similarity(torch.zeros(1, 2, 2))
    with pytest.raises(TypeError, match='floating point, got torch.int64'):
        neighbour_similarity(torch.ones(1, 2, 3, 3, dtype=torch.int64))


@pytest.mark.parametrize('radius', [0, 1, 3, 100])
def test_box_mean_counts_only_what_is_there(radius, assert_same):
    x = torch.randn(2, 2, 5, 7, dtype=torch.float64, requires_grad=True)
    kernel = torch.ones(2, 1, 2 * radius + 1, 2 * radius + 1, dtype=torch.float64)
    total, count = (F.conv2d(t, kernel, padding=radius, groups=2) for t in (x, torch.ones_like(x)))
    grad = torch.randn_like(x)
    assert_same(box_mean(x, radius), total / count)
    assert_same(*(torch.autograd.grad(out, x, grad)[0] for out in (box_mean(x, radius), total / count)))
    assert_same(box_mean(torch.ones_like(x), radius), torch.ones_like(x))
    assert_same(_tap_sum(x, radius), total)  # what a GPU does where torch must be deterministic


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
def test_box_mean_is_an_operator(layout):
    x = torch.randn(1, 2, 3, 4, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    assert box_mean(x, 1).is_contiguous(memory_format=layout)
    assert torch.autograd.gradgradcheck(lambda t: box_mean(t, 1), x)
    if hasattr(torch.library, 'opcheck'):
        torch.library.opcheck(torch.ops.freqfusion_mm.box_mean, (x, 1, 'auto'))


@pytest.mark.parametrize(
    'x, radius, wanted',
    [
        (torch.ones(3, 4), 1, '[N, C, H, W]'),
        (torch.ones(1, 1, 3, 4), -1, '-1'),
        (torch.ones(1, 1, 0, 4), 1, 'a pixel'),
    ],
)
def test_box_mean_bad_input(x, radius, wanted):
    with pytest.raises(ValueError, match=re.escape(wanted)):
        box_mean(x, radius)


def test_box_mean_of_whole_numbers():
    with pytest.raises(TypeError, match='floating point, got torch.int64'):
        box_mean(torch.ones(1, 1, 2, 2, dtype=torch.long), 1)
