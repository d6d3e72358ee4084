"""Frozen backbones: the upsampler and the classifier alone are trained; one of another package goes in by its name."""

from pathlib import Path

import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from mmseg.utils import register_all_modules  # noqa: E402
from rows import row  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401

ROOT = Path(__file__).resolve().parents[2] / 'configs'
FILES = {path.stem: path for path in sorted((ROOT / 'frozen').glob('*.py'))}


@pytest.fixture(autouse=True)
def mmseg_scope():
    register_all_modules(init_default_scope=False)
    DefaultScope.get_instance('test_frozen', scope_name='mmseg')
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


class GuidedGate(torch.nn.Module):
    """Stands for an upsampler of another package: `forward(image, features, output_size)`."""

    def __init__(self, width):
        super().__init__()
        self.gate = torch.nn.Conv2d(3, width, 1)

    def forward(self, image, features, output_size):
        assert image.shape[-2:] == output_size
        return torch.nn.functional.interpolate(features, output_size) * self.gate(image).sigmoid()


def trained_step(cfg):
    """Names of the parameters that got a gradient, in a small random ViT/14."""
    cfg.model.backbone.update(img_size=(56, 56), embed_dims=32, num_layers=1, num_heads=2)
    cfg.model.decode_head.update(in_channels=32, channels=32)
    model = MODELS.build(cfg.model).train()
    model.init_weights()
    labels = torch.randint(0, 4, (2, 1, 56, 70))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=dict(img_shape=(56, 70))) for label in labels]
    images = torch.randn(2, 3, 56, 70)
    assert model.encode_decode(images, [dict(img_shape=(56, 70))] * 2).shape[-2:] == (56, 70)
    losses = model.loss(images, samples)
    losses['decode.loss_ce'].backward()
    assert torch.isfinite(losses['decode.loss_ce'])
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())
    head = dict(model.decode_head.named_parameters())
    return {name for name, parameter in head.items() if parameter.grad is not None} if head else set(), set(head)


@pytest.mark.parametrize('name', FILES)
def test_all_but_the_backbone_trains(name):
    got, head = trained_step(row(FILES[name]))
    assert got == head and any('fusion' in key for key in head) != ('_bilinear_' in name)


@pytest.mark.parametrize('frozen', [False, True])
def test_somebody_else_s_upsampler_is_guided_by_the_image(frozen):
    cfg = row(FILES['frozen_vit-s14_bilinear_4xb4-40k_ade20k-512x512'])
    upsample_cfg = dict(type='ExternalUpsampler', module=GuidedGate, options=dict(width=32), frozen=frozen)
    cfg.model.decode_head.update(raw_guide=True, upsample_cfg=upsample_cfg)
    got, head = trained_step(cfg)
    gate = {key for key in head if 'gate' in key}
    assert len(gate) == 2 and got == (head - gate if frozen else head)
