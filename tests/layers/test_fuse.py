"""Upsamplers in networks of one's own, in plain torch."""

import subprocess
import sys

import pytest
import torch
from small_upsamplers import CFGS
from torch import nn

import freqfusion_mm
from freqfusion_mm.layers import (
    UPSAMPLERS,
    FreqFusion,
    Fuse,
    build_upsampler,
)


@pytest.mark.parametrize('name', CFGS)
@pytest.mark.parametrize('out_channels', [None, 5])
def test_build_upsampler_gives_one_map(name, out_channels):
    upsample = build_upsampler(CFGS[name], lr_channels=16, hr_channels=8, out_channels=out_channels)
    lr_feat, hr_feat = torch.randn(2, 16, 4, 5, requires_grad=True), torch.randn(2, 8, 8, 11)
    out = upsample(lr_feat, hr_feat)
    assert out.shape == (2, out_channels or 16, 8, 11)
    if not UPSAMPLERS[name].guided:
        assert upsample(lr_feat).shape == (2, out_channels or 16, 8, 10)
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in upsample.parameters())
    assert (upsample.direct, upsample.guided) == (UPSAMPLERS[name].direct, UPSAMPLERS[name].guided)


@pytest.mark.parametrize('name', CFGS)
@pytest.mark.parametrize('mode, channels, out', [('cat', (16, 8), 24), ('add', (16, 8), 8), ('add', (8, 8), 8)])
def test_fuse(name, mode, channels, out):
    fuse = Fuse(CFGS[name], lr_channels=channels[0], hr_channels=channels[1], mode=mode)
    feats = [torch.randn(2, channels[1], 9, 11), torch.randn(2, channels[0], 4, 5, requires_grad=True)]
    fused = fuse(feats)
    assert fused.shape == (2, out, 9, 11) and fuse.out_channels == out
    fused.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in fuse.parameters())


def test_fuse_joins_as_it_says():
    hr_feat, lr_feat = torch.randn(1, 8, 8, 10), torch.randn(1, 8, 4, 5)
    lr_up = nn.functional.interpolate(lr_feat, scale_factor=2)
    size = dict(lr_channels=8, hr_channels=8)
    assert torch.equal(Fuse('nearest', **size)([hr_feat, lr_feat]), torch.cat([hr_feat, lr_up], 1))
    assert torch.equal(Fuse('nearest', **size, lr_first=True)([hr_feat, lr_feat]), torch.cat([lr_up, hr_feat], 1))
    assert torch.equal(Fuse('nearest', **size, mode='add')((hr_feat, lr_feat)), hr_feat + lr_up)
    with pytest.raises(ValueError, match="mode must be 'cat' or 'add', got 'sum'"):
        Fuse('nearest', **size, mode='sum')
    with pytest.raises(TypeError, match=r'wants the list \[hr_feat, lr_feat\], got one tensor'):
        Fuse('nearest', **size)(hr_feat)
    with pytest.raises(TypeError, match='got 3 maps'):
        Fuse('nearest', **size)([hr_feat] * 3)
    for mode in ('cat', 'add'):
        with pytest.raises(ValueError, match=r'the fine map first, of \(8, 8\) channels, got .*, 4, 5\) and .*, 8, 10'):
            Fuse('nearest', **size, mode=mode)([lr_feat, hr_feat])
        with pytest.raises(ValueError, match=r'of \(6, 8\) channels, got shapes \(1, 8, 8, 10\) and'):
            Fuse('FreqFusion', lr_channels=8, hr_channels=6, mode=mode)([hr_feat, lr_feat])


class Doubling(nn.Module):
    """A user's upsampler that does not look at the size to reach."""

    def __init__(self, lr_channels, hr_channels):
        super().__init__()

    def forward(self, lr_feat, hr_feat):
        return nn.functional.interpolate(lr_feat, scale_factor=2)


class Narrow(Doubling):
    def forward(self, lr_feat, hr_feat):
        return super().forward(lr_feat, hr_feat)[:, :1]


class Both(Doubling):
    def forward(self, lr_feat, hr_feat):
        return super().forward(lr_feat, hr_feat), hr_feat


def test_an_upsampler_that_misses_the_size_is_named():
    upsample = build_upsampler(Doubling, 8, 4)
    assert upsample(torch.rand(1, 8, 4, 5), torch.rand(1, 4, 8, 10)).shape == (1, 8, 8, 10)
    with pytest.raises(ValueError, match=r'Doubling must return a map of shape \(1, 8, 7, 9\), .* got \(1, 8, 8, 10\)'):
        upsample(torch.rand(1, 8, 4, 5), torch.rand(1, 4, 7, 9))
    for kind, got in (
        (Narrow, r'got \(1, 1, 8, 10\)'),
        (Both, r'got tuple; a layer that returns both maps is a .*Fusion'),
    ):
        with pytest.raises(ValueError, match=got):
            build_upsampler(kind, 8, 4)(torch.rand(1, 8, 4, 5), torch.rand(1, 4, 8, 10))


class PlainUNet(nn.Module):
    def __init__(self, upsample_cfg, widths=(8, 12, 16)):
        super().__init__()
        ins = (3, *widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in zip(ins, widths))
        pairs = list(zip(widths[:-1], widths[1:]))[::-1]
        self.up = nn.ModuleList(build_upsampler(upsample_cfg, deep, skip, out_channels=skip) for skip, deep in pairs)
        self.mix = nn.ModuleList(nn.Conv2d(2 * skip, skip, 3, padding=1) for skip, _ in pairs)

    def forward(self, x):
        skips = []
        for i, conv in enumerate(self.down):
            x = torch.relu(conv(nn.functional.max_pool2d(x, 2, ceil_mode=True) if i else x))
            skips.append(x)
        for up, mix, skip in zip(self.up, self.mix, skips[-2::-1]):
            x = mix(torch.cat([skip, up(x, skip)], dim=1))
        return x


class SMPDecoderBlock(nn.Module):
    """As segmentation_models.pytorch writes it, the interpolation replaced."""

    def __init__(self, in_channels, skip_channels, out_channels, upsample_cfg):
        super().__init__()
        self.up = build_upsampler(upsample_cfg, in_channels, skip_channels)
        self.conv1 = nn.Sequential(
            nn.Conv2d(in_channels + skip_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x, skip):
        return self.conv1(torch.cat([self.up(x, skip), skip], dim=1))


YOLO = [  # from, module, args
    (-1, 'Conv', [8, 3, 2]),
    (-1, 'Conv', [16, 3, 2]),
    ([0, -1], 'Fuse', ['FreqFusion']),
    (-1, 'Conv', [12, 1, 1]),
    ([0, -1], 'Fuse', ['carafe', 'add']),
]


def parse_yolo(rows, upsample_cfg, channels=3):
    """A parser in Ultralytics's manner: widths follow from the rows before."""
    layers, widths = [], []
    for source, module, args in rows:
        if module == 'Conv':
            before = widths[source] if widths else channels
            layer, width = nn.Conv2d(before, args[0], args[1], args[2], args[1] // 2), args[0]
        else:
            hr_channels, lr_channels = (widths[i] for i in source)
            layer = Fuse(upsample_cfg, lr_channels=lr_channels, hr_channels=hr_channels, mode=(*args, 'cat')[1])
            width = layer.out_channels
        layer.f = source
        layers.append(layer)
        widths.append(width)
    return nn.Sequential(*layers), widths


@pytest.mark.parametrize('name', CFGS)
def test_in_networks_without_a_framework(name):
    unet = PlainUNet(CFGS[name])
    block = SMPDecoderBlock(16, 12, 10, CFGS[name])
    yolo, widths = parse_yolo(YOLO, CFGS[name])
    assert widths == [8, 16, 24, 12, 8]
    maps = [torch.randn(2, 3, 33, 47)]
    for layer in yolo:
        sources = [layer.f] if isinstance(layer.f, int) else layer.f
        feats = [maps[-1] if i == -1 else maps[1 + i] for i in sources]
        maps.append(layer(feats if len(feats) > 1 else feats[0]))
    results = {
        unet: (unet(torch.randn(2, 3, 21, 30)), (2, 8, 21, 30)),
        block: (block(torch.randn(2, 16, 5, 6), torch.randn(2, 12, 9, 12)), (2, 10, 9, 12)),
        yolo: (maps[-1], (2, 8, 17, 24)),
    }
    for module, (out, shape) in results.items():
        assert out.shape == shape
        out.square().sum().backward()
        assert all(p.grad is not None for p in module.parameters())


def test_the_package_hands_on_its_layers_and_stays_light():
    assert freqfusion_mm.FreqFusion is FreqFusion and freqfusion_mm.build_upsampler is build_upsampler
    assert set(freqfusion_mm.__all__) <= set(dir(freqfusion_mm))
    with pytest.raises(AttributeError, match="no attribute 'FreqFussion'"):
        _ = freqfusion_mm.FreqFussion
    program = (
        'import sys, freqfusion_mm; from freqfusion_mm import config_path; assert "torch" not in sys.modules; '
        'from freqfusion_mm import FreqFusion, build_upsampler; assert "torch" in sys.modules; '
        'assert not {"mmengine", "mmcv", "mmdet", "mmseg"} & set(sys.modules)'
    )
    subprocess.run([sys.executable, '-c', program], check=True)
