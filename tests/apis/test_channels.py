"""How many channels an image may have, of backbones that meet it in different ways."""

import pytest
import torch

pytest.importorskip('mmdet')

from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from torch import nn  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.apis.channels import channels_taken, input_channels  # noqa: E402

RESNET = dict(type='mmdet.ResNet', depth=18, base_channels=4)
DARKNET = dict(type='mmdet.CSPDarknet', deepen_factor=0.33, widen_factor=0.125)


class Squares(nn.Module):
    """A norm, pixels of 2x2 squares as channels, a convolution; or nothing that says what it takes."""

    def __init__(self, channels):
        super().__init__()
        self.unused = nn.Conv2d(99, 1, 1)
        self.norm = nn.BatchNorm2d(channels)
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, 8, 3))

    def forward(self, x):
        return self.stem(self.norm(x))


def model_of(backbone, preprocessor='DetDataPreprocessor', **options):
    model = nn.Module()
    with DefaultScope.overwrite_default_scope('mmdet'):
        if isinstance(backbone, dict):
            backbone = MODELS.build(backbone)
        model.data_preprocessor = MODELS.build(dict(type=preprocessor, **options))
    model.backbone = backbone
    return model


@pytest.mark.parametrize(
    'backbone, taken',
    [
        (RESNET, {3}),
        (dict(RESNET, in_channels=1), {1}),
        (dict(RESNET, in_channels=12), {12}),
        (DARKNET, {3}),  # YOLOX: twelve channels in front of the first convolution
        (Squares(1), {1}),
        (Squares(5), {5}),
        (nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4, 8, 3)), {1}),
    ],
    ids=['ResNet', 'grey', 'twelve', 'YOLOX', 'squares of one', 'squares of five', 'grey squares'],
)
def test_what_a_backbone_takes(backbone, taken):
    model = model_of(backbone)
    assert channels_taken(model) == taken and {input_channels(model)} == taken


def test_three_means_make_three_channels_of_grey():
    pytest.importorskip('mmseg')
    for backbone in (RESNET, DARKNET):
        for options in ({}, dict(test_cfg=dict(size_divisor=32))):  # as SegNeXt's
            model = model_of(backbone, 'mmseg.SegDataPreProcessor', mean=[0] * 3, std=[1] * 3, **options)
            assert channels_taken(model) == {1, 3}


def test_asking_leaves_the_model_as_it_was():
    backbone = Squares(5).train()
    backbone.stem.eval()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    assert channels_taken(model_of(backbone)) == {5}
    assert backbone.training and backbone.norm.training and not backbone.stem.training
    assert not any(module._forward_pre_hooks for module in backbone.modules())
    for name, value in backbone.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_classifiers():
    pytest.importorskip('mmpretrain')
    import freqfusion_mm.compat.mmpretrain_imports  # noqa: F401

    assert channels_taken(model_of(RESNET, 'mmpretrain.ClsDataPreprocessor', mean=[0] * 3, std=[1] * 3)) == {1, 3}


def test_a_backbone_that_does_not_say():
    assert channels_taken(model_of(nn.Linear(3, 3))) is None
    with pytest.raises(ValueError, match='the backbone Linear has no convolution'):
        input_channels(model_of(nn.Linear(3, 3)))


class Streams(nn.Module):
    """Two backbones in one, each for some channels of the image, or for what is made of them."""

    def __init__(self, first, second, take):
        super().__init__()
        self.a, self.b = nn.Conv2d(first, 4, 3), nn.Conv2d(second, 4, 3)
        self.take = take

    def forward(self, x):
        a, b = self.take(x)
        return self.b(b) + self.a(a) if b.shape[1] < a.shape[1] else self.a(a) + self.b(b)


@pytest.mark.parametrize(
    'backbone, taken',
    [
        (Streams(3, 1, lambda x: (x[:, :3], x[:, 3:])), {4}),
        (Streams(1, 3, lambda x: (x[:, 3:], x[:, :3])), {4}),
        (Streams(12, 2, lambda x: (x[:, :12], x[:, 12:])), {14}),
        (Streams(1, 3, lambda x: (x.mean(1, keepdim=True), x)), {3}),
    ],
    ids=['colour and heat', 'heat and colour', 'light and radar', 'edges of grey'],
)
def test_a_backbone_of_two_streams(backbone, taken):
    model = model_of(backbone)
    assert channels_taken(model) == taken and {input_channels(model)} == taken
