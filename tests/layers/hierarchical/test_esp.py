"""Hierarchical feature fusion, ESP, EESP, the decoders' pyramids and the measure of gridding."""

import math

import pytest
import torch
from torch import nn

from freqfusion_mm.evaluation.analysis.gridding import gridding, receptive_energy
from freqfusion_mm.layers import (
    EESP,
    ESP,
    DepthwisePyramidPool,
    EESPDown,
    EfficientPyramidPool,
    GatedSkip,
    HierarchicalFusion,
    eesp_dilations,
    shrink_image,
)
from freqfusion_mm.layers.hierarchical.hierarchical_fusion import hierarchical_fusion
from freqfusion_mm.layers.hierarchical.units import UNITS

LAYERS = {
    'esp': (lambda: ESP(20, 20), 20),
    'esp-all': (lambda: ESP(20, 25, chain='all'), 20),
    'esp-down': (lambda: ESP(7, 23, stride=2), 7),
    'eesp': (lambda: EESP(16, 16), 16),
    'eesp-none': (lambda: EESP(16, 32, chain='none'), 16),
    'efficient-pool': (lambda: EfficientPyramidPool(12, 6, width=4), 12),
    'depthwise-pool': (lambda: DepthwisePyramidPool(6, 8), 6),
    'gated-skip': (lambda: GatedSkip(12, 8), 12),
    **{name: (lambda unit=unit: unit(32), 32) for name, unit in UNITS.items()},
}


def test_chains_against_loops():
    branches = [torch.randn(2, 3, 4, 5) for _ in range(5)]
    for chain, start in (('all', 0), ('dilated', 1)):
        for i, fused in enumerate(hierarchical_fusion(branches, chain)):
            expected = sum(branches[start : i + 1]) if i >= start else branches[i]
            torch.testing.assert_close(fused, expected)
    for fused, branch in zip(hierarchical_fusion(branches, 'none'), branches):
        assert fused is branch


def test_fusion_leaves_its_input_alone():
    branches = [torch.ones(1, 1, 2, 2) for _ in range(4)]
    assert HierarchicalFusion('all')(branches)[0, :, 0, 0].tolist() == [1, 2, 3, 4]
    assert all(bool((branch == 1).all()) for branch in branches)


def test_esp_is_its_formula():
    block = ESP(20, 22).eval()
    assert [branch.out_channels for branch in block.branches] == [6, 4, 4, 4, 4]
    x = torch.randn(1, 20, 9, 7)
    r = block.reduce(x)
    b1, b2, b3, b4, b5 = (
        nn.functional.conv2d(r, branch.weight, padding=d, dilation=d)
        for branch, d in zip(block.branches, (1, 2, 4, 8, 16))
    )
    joined = torch.cat([b1, b2, b2 + b3, b2 + b3 + b4, b2 + b3 + b4 + b5], dim=1)
    torch.testing.assert_close(block(x), block.norm_act(joined))
    square = ESP(22, 22).eval()
    assert square.residual and not ESP(22, 22, residual=False).residual


def test_eesp_dilations_of_every_limit():
    assert [eesp_dilations(4, limit) for limit in (13, 11, 9, 7, 5)] == [
        [1, 2, 3, 4],
        [1, 2, 3, 4],
        [1, 2, 3, 4],
        [1, 1, 2, 3],
        [1, 1, 1, 2],
    ]


@pytest.mark.parametrize('name', LAYERS)
def test_layers_take_odd_sizes_and_train(name):
    build, channels = LAYERS[name]
    layer = build()
    x = torch.randn(2, channels, 13, 11, requires_grad=True)
    out = layer(x)
    size = (7, 6) if 'down' in name else (13, 11)
    assert out.shape[-2:] == size and out.isfinite().all()
    out.square().sum().backward()
    assert x.grad.abs().sum() > 0
    for key, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), key


@pytest.mark.parametrize('name', LAYERS)
def test_layers_keep_dtype_and_state(name):
    build, channels = LAYERS[name]
    layer, other = build().double().eval(), build().double().eval()
    x = torch.randn(1, channels, 12, 12, dtype=torch.float64)
    other.load_state_dict(layer.state_dict())
    assert layer(x).dtype == torch.float64
    torch.testing.assert_close(layer(x), other(x))
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert layer.float()(x.float()).isfinite().all()


@pytest.mark.parametrize('size', [(360, 640), (45, 97), (64, 128), (33, 32)])
def test_down_sampler_takes_any_image(size):
    layer = EESPDown(16, 32)
    image = torch.randn(2, 3, *size)
    quarter = [math.ceil(length / 4) for length in size]
    out = layer(torch.randn(2, 16, *quarter), image)
    assert out.shape == (2, 32, *[-(-length // 2) for length in quarter])
    out.sum().backward()
    trained = {name for name, parameter in layer.named_parameters() if parameter.grad is not None}
    assert trained == {name for name, parameter in layer.named_parameters() if parameter.requires_grad}


def test_shrunken_image_is_repeated_pooling():
    image = torch.randn(1, 3, 50, 36)
    pooled = image
    for _ in range(3):
        pooled = nn.functional.avg_pool2d(pooled, 3, 2, 1)
    torch.testing.assert_close(shrink_image(image, (7, 5)), pooled)
    assert shrink_image(image, (50, 36)) is image
    for size in ((3, 30), (1, 1), (10, 9), (60, 40)):
        assert shrink_image(image, size).shape[-2:] == size


def test_down_sampler_without_reinforcement():
    silent = EESPDown(16, 32, reinforce=False)
    out = silent(torch.randn(1, 16, 8, 8))
    assert out.shape == (1, 32, 4, 4)
    out.sum().backward()  # what it keeps without using it is frozen
    assert all((weight.grad is None) != weight.requires_grad for weight in silent.parameters())
    assert not hasattr(EESPDown(16, 32, image_channels=0), 'reinforce_conv')


@pytest.mark.parametrize(
    'call, words',
    [
        (lambda: ESP(20, 22, chain='all'), 'multiple of num_branches=5'),
        (lambda: ESP(8, 8, num_branches=0), 'num_branches must be positive, got 0'),
        (lambda: EESP(8, 8, num_branches=0), 'num_branches must be positive, got 0'),
        (lambda: ESP(20, 4), 'at least num_branches=5'),
        (lambda: ESP(20, 20, stride=3), 'stride must be 1 or 2'),
        (lambda: ESP(20, 25, residual=True), 'residual needs stride 1'),
        (lambda: ESP(20, 20, chain='first'), "'all', 'dilated', 'none'"),
        (lambda: EESP(18, 32), 'multiple of num_branches=4'),
        (lambda: EESP(16, 24), 'square'),
        (lambda: EESP(16, 32, stride=4), 'stride must be 1 or 2'),
        (lambda: EESPDown(32, 32), 'above in_channels=32'),
        (lambda: EESPDown(16, 32)(torch.rand(1, 16, 4, 4)), 'got no image'),
        (lambda: EESPDown(16, 32, reinforce=False)(torch.rand(1, 16, 4, 4), torch.rand(1, 3, 8, 8)), 'got an image'),
        (lambda: hierarchical_fusion([torch.rand(1, 2, 3, 3), torch.rand(1, 3, 3, 3)]), 'need one shape'),
        (lambda: receptive_energy(EESP(16, 16, stride=2)), 'branches must have stride 1'),
    ],
)
def test_errors_say_what_was_wanted(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_shufflenet_unit_shuffles_and_leaves_its_depthwise_convolution_linear():
    unit, x = UNITS['shufflenet'](64), torch.arange(32.0).view(1, 32, 1, 1)
    assert torch.equal(unit[1](x), nn.functional.channel_shuffle(x, 8))
    activated = [any(isinstance(module, nn.ReLU) for module in part.modules()) for part in unit]
    assert activated == [True, False, False, False]


def test_the_depthwise_pyramid_halves_the_map_again_and_again():
    pool, x = DepthwisePyramidPool(3, 4, num_levels=2).eval(), torch.randn(1, 3, 9, 6)
    half = nn.functional.avg_pool2d(x, 3, 2, 1)
    levels = half, nn.functional.avg_pool2d(half, 3, 2, 1)
    restored = [
        nn.functional.interpolate(stage(level), (9, 6), mode='bilinear', align_corners=True)
        for stage, level in zip(pool.stages, levels)
    ]
    torch.testing.assert_close(pool(x), pool.project(torch.cat([x, *restored], dim=1)))


def test_gridding_of_a_bare_dilated_kernel_is_one():
    for dilation in (2, 3, 4, 8, 16):
        energy = torch.zeros(2 * dilation + 1, 2 * dilation + 1)
        energy[::dilation, ::dilation] = torch.rand(3, 3) + 0.1
        assert gridding(energy, dilation) == pytest.approx(1, abs=1e-4)
        assert gridding(torch.ones(4 * dilation, 4 * dilation), dilation) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    'block, chain', [(ESP(80, 80), 'dilated'), (ESP(80, 80), 'all'), (EESP(80, 80, receptive_limit=9), 'all')]
)
def test_hierarchical_fusion_lowers_gridding(block, chain):
    start = 1 if chain == 'dilated' else 0
    dilations = [branch.dilation[0] for branch in block.branches]
    off, on = receptive_energy(block, 'none'), receptive_energy(block, chain)
    for k, dilation in enumerate(dilations):
        if dilation > 1:
            assert gridding(off[k], dilation) == pytest.approx(1, abs=1e-4)
        if k > start:
            assert gridding(on[k], dilation) < 0.6


def test_receptive_energy_is_the_gradient_of_the_middle_pixel():
    block = EESP(16, 16, receptive_limit=9)
    x = torch.randn(1, 4, 9, 9, requires_grad=True)
    fused = hierarchical_fusion([branch(x) for branch in block.branches])
    energies = receptive_energy(block)
    for out, energy in zip(fused, energies):
        total = sum(
            torch.autograd.grad(out[0, c, 4, 4], x, retain_graph=True)[0].square().sum(dim=(0, 1)) for c in range(4)
        )
        torch.testing.assert_close(total.flip(0, 1), energy)


#: Convolutions of a unit of 64 channels: weights alone, by hand from the definitions.
UNIT_WEIGHTS = {
    'resnet': 2 * 9 * 64 * 64,
    'resnext': 2 * 64 * 192 + 9 * 192 * 6,
    'inception': 64 * 16 + 64 * 24 + 9 * 24 * 32 + 64 * 4 + 25 * 4 * 8 + 64 * 8,
    'mobilenet': 9 * 64 + 64 * 64,
    'shufflenet': 64 * 32 // 8 + 9 * 32 + 32 * 64 // 8,
}


@pytest.mark.parametrize('name', UNITS)
def test_units_have_the_weights_of_their_definitions(name):
    unit = UNITS[name](64)
    convs = [module for module in unit.modules() if isinstance(module, nn.Conv2d)]
    assert sum(conv.weight.numel() for conv in convs) == UNIT_WEIGHTS[name]
    assert all(conv.bias is None for conv in convs)


@pytest.mark.parametrize('name', ['resnet', 'resnext', 'shufflenet'])
def test_units_with_a_shortcut_start_from_their_input(name):
    unit = UNITS[name](32).eval()
    last = [module for module in unit.modules() if isinstance(module, nn.BatchNorm2d)][-1]
    nn.init.zeros_(last.weight)
    x = torch.randn(1, 32, 5, 6)
    torch.testing.assert_close(unit(x), x.relu())


def test_inception_wants_whole_parts():
    with pytest.raises(ValueError, match='a multiple of 16, got 20'):
        UNITS['inception'](20)
