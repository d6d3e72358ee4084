"""An upsampler of another package: what it is handed, and the words where it is none."""

import pytest
import torch
from torch import nn

from freqfusion_mm.layers import ExternalUpsampler, build_fusion

PATH = 'freqfusion_mm.layers.ExternalUpsampler'


class Recorder(nn.Module):
    def forward(self, *given):
        self.given = given
        return given[-1].new_zeros(1, 4, 6, 9)


def test_it_is_called_once_with_what_it_takes(assert_same):
    lr, hr = torch.rand(1, 4, 2, 3), torch.rand(1, 3, 6, 9)
    recorder = Recorder()
    fusion = build_fusion(dict(type=PATH, module=recorder, arguments=['size', 'guide', 'features']), 4, 3)
    assert fusion.direct and fusion.guided
    up, same = fusion(lr, hr)
    size, guide, features = recorder.given
    assert up.shape == (1, 4, 6, 9) and same is hr
    assert size == (6, 9) and guide is hr and features is lr


def test_an_import_path_and_its_options_make_the_module(assert_same):
    layer = ExternalUpsampler(4, 3, 'torch.nn.Upsample', dict(scale_factor=3, mode='bilinear'), ['features'])
    lr = torch.rand(1, 4, 2, 3)
    assert_same(layer(lr, torch.rand(1, 3, 6, 9)), nn.functional.interpolate(lr, scale_factor=3, mode='bilinear'))


def test_frozen_stays_in_evaluation_mode():
    layer = ExternalUpsampler(4, 3, nn.BatchNorm2d(4), arguments=['features'], frozen=True).train()
    assert layer.training and not layer.module.training
    assert not any(parameter.requires_grad for parameter in layer.parameters())


@pytest.mark.parametrize(
    'options, error, message',
    [
        (dict(), ValueError, 'wants a module, .* got none'),
        (dict(module='torch.nn.Upsampel'), ValueError, "no module at the import path 'torch.nn.Upsampel'"),
        (dict(module='no_package.Up'), ValueError, "no module at the import path 'no_package.Up'"),
        (dict(module=dict), TypeError, 'must make a torch.nn.Module, got dict'),
        (dict(module=nn.Identity, arguments=['guide']), ValueError, r"features among them, got \('guide',\)"),
    ],
)
def test_what_is_no_upsampler(options, error, message):
    with pytest.raises(error, match=message):
        ExternalUpsampler(4, 3, **options)


def test_a_result_of_another_size_is_refused():
    layer = ExternalUpsampler(4, 3, nn.Identity, arguments=['features'])
    with pytest.raises(ValueError, match=r'Identity must return .* of shape \(1, 4, 6, 9\), .* got \(1, 4, 2, 3\)'):
        layer(torch.rand(1, 4, 2, 3), torch.rand(1, 3, 6, 9))
