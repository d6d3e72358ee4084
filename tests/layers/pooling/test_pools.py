"""The other poolings by their definitions, and all of them by name."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils import prune

from freqfusion_mm.layers import (
    POOLS,
    BlurPool,
    build_pool,
    build_unpool,
    split,
)

SIZES = [(8, 8), (7, 10), (33, 2), (1, 5), (1, 1)]


@pytest.mark.parametrize('size', [(4, 6), (5, 7), (1, 2)])
def test_carafe_pool_by_its_definition(size, assert_same):
    pool = build_pool(dict(type='carafe', kernel_size=3, groups=2, compressed_channels=4), channels=4).double()
    for parameter in pool.parameters():
        torch.nn.init.normal_(parameter)
    feat = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    kernels = pool.content_encoder(pool.channel_compressor(feat)).unflatten(1, (2, 9)).softmax(2)
    coarse = [-(-side // 2) for side in size]
    expected = torch.zeros(2, 4, *coarse, dtype=torch.float64)
    for y, x, i, j in itertools.product(range(coarse[0]), range(coarse[1]), range(3), range(3)):
        row, col = 2 * y + i - 1, 2 * x + j - 1
        if 0 <= row < size[0] and 0 <= col < size[1]:
            weights = kernels[:, :, 3 * i + j, y, x].repeat_interleave(2, 1)
            expected[:, :, y, x] = expected[:, :, y, x] + weights * feat[:, :, row, col]
    out = pool(feat)
    assert_same(out, expected)
    out.sum().backward()
    assert torch.isfinite(feat.grad).all() and all(parameter.grad is not None for parameter in pool.parameters())


@pytest.mark.parametrize('name', POOLS)
@pytest.mark.parametrize('size', SIZES)
def test_every_pooling_halves_any_size_and_remembers_it(name, size):
    pool = build_pool(dict(type=name), channels=4)
    feat = torch.randn(2, 4, *size, requires_grad=True)
    pooled, memory = split(pool, feat)
    half = tuple(-(-side // 2) for side in size)
    assert pooled.shape == (2, 4, *half) and memory.size == size
    torch.testing.assert_close(pool(feat), pooled)
    pooled.sum().backward()
    assert feat.grad.isfinite().all()
    restored = build_unpool(dict(type='interpolate'), 4, 4, pool)(pooled, memory)
    torch.testing.assert_close(restored, F.interpolate(pooled, size, mode='bilinear'))


@pytest.mark.parametrize('name', POOLS)
def test_every_pooling_takes_a_batch_of_none_and_a_map_without_values(name):
    pool = build_pool(dict(type=name), channels=4)
    feat = torch.randn(0, 4, 5, 6, requires_grad=True)
    out = pool(feat)
    assert out.shape == (0, 4, 3, 3)
    out.sum().backward()
    learned = [parameter for parameter in pool.parameters() if parameter.requires_grad]
    assert feat.grad.shape == feat.shape and all(parameter.grad is not None for parameter in learned)
    assert pool.to('meta')(torch.empty(2, 4, 5, 6, device='meta')).shape == (2, 4, 3, 3)


def test_max_unpool_is_torchs():
    feat = torch.randn(2, 3, 8, 6)
    pooled, memory = split(build_pool(dict(type='max'), 3), feat)
    expected = torch.nn.functional.max_unpool2d(pooled, memory.indices, 2)
    torch.testing.assert_close(build_unpool(dict(type='max_unpool'), 3, 3)(pooled, memory), expected)


def test_blur_pool_blurs_the_maximum_of_each_pixel_and_the_next_ones():
    feat = torch.randn(1, 2, 5, 6)
    dense = torch.stack([feat[..., y : y + 2, x : x + 2].amax((-2, -1)) for y in range(5) for x in range(6)], dim=-1)
    torch.testing.assert_close(BlurPool(2)(feat), BlurPool(2, maximum=False)(dense.view_as(feat)))


def test_blur_pool_is_the_binomial_filter_at_every_second_pixel():
    feat = torch.randn(1, 2, 7, 8, dtype=torch.float64)
    out = BlurPool(2, kernel_size=3, maximum=False).double()(feat)
    taps = [0.25, 0.5, 0.25]
    for y in range(4):
        for x in range(4):
            total = 0
            for i in range(3):
                for j in range(3):
                    row, col = abs(2 * y + i - 1), abs(2 * x + j - 1)
                    row, col = min(row, 12 - row), min(col, 14 - col)
                    total = total + taps[i] * taps[j] * feat[0, :, row, col]
            torch.testing.assert_close(out[0, :, y, x], total)


def test_max_unpool_wants_the_shape_that_was_pooled():
    pooled, memory = split(build_pool(dict(type='max'), 3), torch.randn(2, 3, 8, 6))
    unpool = build_unpool(dict(type='max_unpool'), 3, 3)
    for wrong in (pooled[:1], pooled[:, :2], pooled[..., :2], torch.cat([pooled, pooled], dim=2)):
        with pytest.raises(ValueError, match=r'the shape of what was pooled, \(2, 3, 4, 3\), got'):
            unpool(wrong, memory)


@pytest.mark.parametrize('kernel_size', [0, 2, 4])
def test_a_strided_convolution_has_a_centre(kernel_size):
    with pytest.raises(ValueError, match='kernel_size must be odd and positive'):
        build_pool(dict(type='conv', kernel_size=kernel_size), 4)


def test_the_window_of_a_blur_is_there_behind_a_device_without_memory():
    with torch.device('meta'):
        late = BlurPool(4)
    late.to_empty(device='cpu')
    assert torch.equal(late.window, BlurPool(4).window)
    late.window.zero_()
    late.reset_parameters()
    assert torch.equal(late.window, BlurPool(4).window)


@pytest.mark.parametrize('name', POOLS)
def test_hooks_on_every_convolution_are_called(name):
    """Pruning recomputes a weight in one: without its call, the second step fails."""
    pool = build_pool(dict(type=name), 4)
    feat = torch.randn(2, 4, 6, 7, requires_grad=True)
    before = pool(feat)
    for layer in [each for each in pool.modules() if isinstance(each, torch.nn.Conv2d)]:
        prune.l1_unstructured(layer, 'weight', 0.0)
    for _ in range(2):
        out = pool(feat)
        sum(each.sum() for each in (out if isinstance(out, tuple) else (out,)) if torch.is_tensor(each)).backward()
    torch.testing.assert_close(pool(feat), before)
