"""Names, classes and options that `upsample_cfg` takes, and what is asked before a layer exists."""

import warnings

import pytest
import torch
from small_upsamplers import CFGS
from torch import nn

from freqfusion_mm.layers import (
    CARAFE,
    FADE,
    UPSAMPLERS,
    Bilinear,
    DySample,
    FreqFusion,
    IndexNet,
    Nearest,
    PixelShuffle,
    ReSFU,
    SAPADeform,
    Upsampler,
    build_fusion,
    find_upsampler,
    option_names,
    read_upsample_cfg,
    register_upsampler,
)


class Mine(Upsampler):
    """Takes whatever options there are."""

    def __init__(self, lr_channels, hr_channels, **options):
        super().__init__()
        self.options = options

    def forward(self, lr_feat, hr_feat=None):
        return nn.functional.interpolate(lr_feat, hr_feat.shape[-2:])


class Aligned(Bilinear):
    """Another default than torch's."""

    def __init__(self, lr_channels, hr_channels, align_corners=True):
        super().__init__(lr_channels, hr_channels, align_corners=align_corners)


@pytest.mark.parametrize(
    'cfg, kind, options',
    [
        ('CARAFE', CARAFE, {}),
        ('carafe', CARAFE, {}),
        ('pixel-shuffle', PixelShuffle, {}),
        (dict(type='PixelShuffle', kernel_size=5), PixelShuffle, dict(kernel_size=5)),
        (FreqFusion, FreqFusion, {}),
        (dict(type=FreqFusion, groups=2, compressed_channels=8), FreqFusion, dict(groups=2, compressed_channels=8)),
        ('freqfusion_mm.layers.FreqFusion', FreqFusion, {}),
        ('freqfusion_mm.layers.upsamplers.resfu.ReSFU', ReSFU, {}),
        (dict(type=Mine, colour='red'), Mine, dict(colour='red')),
        # mmcv's names
        (
            dict(type='carafe', up_kernel=3, up_group=2, scale_factor=4, encoder_kernel=5),
            CARAFE,
            dict(kernel_size=3, groups=2, scale_factor=4, encoder_kernel=5),
        ),
        (dict(type='pixel_shuffle', upsample_kernel=5), PixelShuffle, dict(kernel_size=5)),
        (dict(type='SAPA', embedding_channels=16), UPSAMPLERS['SAPA'], dict(compressed_channels=16)),
        # what an override of the type alone inherits from mmdet's FPN and FPN_CARAFE
        (dict(type='FreqFusion', mode='bilinear'), FreqFusion, {}),
        (dict(type='nearest', mode='bilinear', align_corners=False), Nearest, {}),
        (
            dict(type='ReSFU', up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1, compressed_channels=64),
            ReSFU,
            dict(compressed_channels=64),
        ),
    ],
)
@pytest.mark.filterwarnings('ignore:ReSFU takes')
def test_what_a_config_means(cfg, kind, options):
    found, rest = read_upsample_cfg(cfg)
    assert (found.__name__, rest) == (kind.__name__, options) and found.__module__ == kind.__module__
    layer = build_fusion(cfg, 16, 8)
    assert isinstance(getattr(layer, 'upsampler', layer), found)


def test_what_a_type_alone_inherits_and_keeps_is_named():
    inherited = dict(up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1, compressed_channels=64)
    with pytest.warns(
        UserWarning, match=r"ReSFU takes {'compressed_channels': 64} from the options of another upsampler"
    ):
        read_upsample_cfg(dict(inherited, type='ReSFU'))
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        read_upsample_cfg(dict(inherited, type='DySample'))
        read_upsample_cfg(dict(inherited, type='FreqFusion'))  # whose own width is made of the maps'
        read_upsample_cfg(dict(type='bilinear', mode='bilinear', align_corners=False))


@pytest.mark.parametrize(
    'cfg, kind, options',
    [
        (dict(mode='nearest'), Nearest, {}),
        (dict(mode='bilinear', align_corners=True), Bilinear, dict(align_corners=True)),
    ],
)
def test_the_spelling_of_stock_configs_is_understood_and_named(cfg, kind, options):
    with pytest.warns(
        UserWarning, match=f'written as stock configs have it, and stays {cfg["mode"]}: give upsample_cfg'
    ):
        assert read_upsample_cfg(cfg) == (kind, options)


@pytest.mark.parametrize(
    'cfg, error, message',
    [
        (dict(type='bilinaer'), ValueError, r"unknown upsampler type 'bilinaer' \(did you mean 'bilinear'\?\): choose"),
        ('FreqFussion', ValueError, "did you mean 'FreqFusion'"),
        ('my_pkg.Dysampel', ValueError, "unknown upsampler type 'my_pkg.Dysampel' .did you mean 'DySample'"),
        ('torch.nn.NoSuchThing', ValueError, 'choose one of .*a class, its import path, or a name that is registered'),
        (
            dict(type='FreqFusion', lowpas_kernel=3),
            TypeError,
            r'FreqFusion has no option lowpas_kernel \(did you mean lowpass_kernel\?\): it takes lowpass_',
        ),
        (dict(type='FreqFusion', compress_channels=3), TypeError, 'did you mean compressed_channels'),
        (dict(type='FreqFusion', up_kernel=3), TypeError, r'up_kernel \(which is lowpass_kernel here\)'),
        (dict(type='FreqFusion', feature_resample_group=8), TypeError, 'which is resample_groups here'),
        (dict(type='ReSFU', up_kernel=3), TypeError, r'up_kernel \(which is kernel_size here\)'),
        (dict(type='SAPA', scale_factor=2), TypeError, 'the ratio is that of the two maps'),
        (dict(type='FADE', keep_hr=False), TypeError, 'FADE has no option keep_hr'),
        (
            dict(type='ReSFU', hamming_window=False),  # the type alone overridden
            TypeError,
            r"no option hamming_window: .*\. If they are those of FreqFusion, .* upsample_cfg='ReSFU', or add _delete_",
        ),
        (
            'mine.Plain',
            ValueError,
            "type 'mine.Plain' .Python finds no module 'mine'; .* on PYTHONPATH.: choose one of",
        ),
        (dict(type='FreqFusion', keep_hr=False), TypeError, 'FreqFusion has no option keep_hr'),
        (dict(), TypeError, "upsample_cfg must be a dict with a 'type'"),
        (3, TypeError, "upsample_cfg must be a dict with a 'type'"),
        (
            nn.Conv2d,
            TypeError,
            "Conv2d is no upsampler: .* missing a required argument: 'kernel_size'; if a stock config names it",
        ),
        (nn.Identity(), TypeError, r'got a layer, Identity\(...\), instead of its class'),
        (dict(type='FreqFusion', lowpass_kernel='5'), ValueError, "lowpass_kernel must be odd and positive .* got '5'"),
        (dict(type='FreqFusion', lowpass_kernel=5.0), ValueError, 'lowpass_kernel must be odd and positive .* got 5.0'),
        (
            dict(type='FreqFusion', compressed_channels=8.5),
            ValueError,
            'compressed_channels must be a whole number, got 8.5',
        ),
        (
            dict(type='FreqFusion', compressed_channels='8'),
            ValueError,
            "compressed_channels must be a whole number, got '8'",
        ),
        (dict(type='carafe', groups=2.0), ValueError, 'groups must divide lr_channels=16, got 2.0'),
    ],
)
def test_mistakes_get_a_hint(cfg, error, message):
    with pytest.raises(error, match=message):
        build_fusion(cfg, 16, 8)


@pytest.mark.parametrize('widths', [('16', 8), (16, 0), (16, 8.0)])
def test_channels_that_are_no_numbers_are_refused_by_name(widths):
    with pytest.raises(ValueError, match='r_channels must be (a whole number|positive), got'):
        build_fusion('FreqFusion', *widths)


def test_registering():
    @register_upsampler('my_own')
    class MyOwn(Mine):
        direct = True

    try:
        assert find_upsampler('MyOwn') is MyOwn and read_upsample_cfg('my_own')[0].direct
        with pytest.raises(ValueError, match=r"the name 'MY-OWN' is that of .*MyOwn: choose another"):
            register_upsampler('MY-OWN')(Mine)
        register_upsampler('my_own')(MyOwn)  # a module that is read twice
    finally:
        del UPSAMPLERS['my_own']
    with pytest.raises(ValueError, match='unknown upsampler'):
        find_upsampler('my_own')


def test_what_mmengine_knows():
    registry = pytest.importorskip('mmengine.registry')
    pytest.importorskip('mmcv')
    import freqfusion_mm.registration  # noqa: F401

    child = registry.Registry('model', parent=registry.MODELS, scope='elsewhere')
    registry.MODELS.register_module(name='RootUp', module=Mine)
    child.register_module(name='ScopedUp', module=Mine)
    try:
        for name in ('RootUp', 'mmengine.RootUp', 'elsewhere.ScopedUp', f'{__name__}.Mine'):
            assert find_upsampler(name) is Mine or find_upsampler(name).__qualname__ == 'Mine'
            assert build_fusion(dict(type=name, anything=1), 4, 4).upsampler.options == dict(anything=1)
        with pytest.raises(ValueError, match='unknown upsampler'):
            find_upsampler('ScopedUp')
        with registry.DefaultScope.overwrite_default_scope('elsewhere'):
            assert find_upsampler('ScopedUp') is Mine and find_upsampler('RootUp') is Mine
        with pytest.raises(TypeError, match='is no upsampler: .* but it starts with channels, scale_factor'):
            find_upsampler('mmengine.carafe') and build_fusion('mmengine.carafe', 8, 8)
        assert registry.MODELS.get('CARAFE') is CARAFE and registry.MODELS.get('carafe') is not CARAFE
        assert {registry.MODELS.get(cls.__name__) for cls in UPSAMPLERS.values()} == set(UPSAMPLERS.values())
    finally:
        del registry.MODELS._module_dict['RootUp'], registry.MODELS.children['elsewhere']


def test_what_is_asked_before_a_layer_exists():
    direct = {name for name, cls in UPSAMPLERS.items() if cls.direct}
    assert direct == {'nearest', 'bilinear', 'bicubic', 'ReSFU'}
    guided = {name for name, cls in UPSAMPLERS.items() if cls.guided}
    assert guided == {'A2U', 'FADE', 'FreqFusion', 'IndexNet', 'ReSFU', 'SAPA', 'SAPA-D'}
    for name, cfg in CFGS.items():
        layer = build_fusion(cfg, 16, 8)
        assert (layer.direct, layer.guided) == (name in direct, name in guided)


@pytest.mark.parametrize(
    'options, groups',
    [
        ({}, 4),
        (dict(resample_groups=8), 8),
        (dict(resample=False), 1),
        (dict(resample=False, resample_groups=8, highpass=False), 1),
    ],
)
def test_groups_that_a_concatenation_keeps_together(options, groups):
    assert build_fusion(dict(type=FreqFusion, **options), 16, 8).resample_groups == groups
    assert FreqFusion(18, 8).resample_groups == 2 and build_fusion('SAPA', 16, 8).resample_groups == 1


def test_defaults_that_depend_on_the_channels():
    assert FADE(8, 8).gated and not FADE(8, 6).gated and not FADE(8, 8, gated=False).gated
    assert FADE(8, 8, skip=True).gate is None  # which adds the fine map in place of the gate
    assert (DySample(6).groups, DySample(8).groups, DySample(7).groups) == (2, 4, 1)
    assert [SAPADeform(channels, 4).groups for channels in (8, 9, 6, 10, 7)] == [4, 3, 3, 2, 1]
    assert (FreqFusion(2, 3).compressed_channels, FreqFusion(64, 64).compressed_channels) == (1, 16)


def test_the_models_options_are_offered():
    assert build_fusion('bilinear', 4, 4, align_corners=True).upsampler.align_corners is True
    named = build_fusion(dict(type='bilinear', align_corners=False), 4, 4, align_corners=True)
    assert named.upsampler.align_corners is False
    assert build_fusion(Aligned, 4, 4).upsampler.align_corners is True
    assert build_fusion(Aligned, 4, 4, align_corners=False).upsampler.align_corners is False
    norm = build_fusion('IndexNet', 4, 4, norm_cfg=dict(type='GN', num_groups=2)).upsampler.blocks[0][1]
    assert isinstance(norm, nn.GroupNorm) and norm.num_groups == 2
    norm = build_fusion('IndexNet', 4, 24, norm_cfg=dict(type='GN')).upsampler.blocks[0][1]
    assert norm.num_groups == 24  # of 48 channels: as many as divide them, up to 32
    assert isinstance(build_fusion('IndexNet', 4, 4, norm_cfg=None).upsampler.blocks[0][1], nn.BatchNorm2d)
    build_fusion('FreqFusion', 4, 4, norm_cfg=dict(type='SyncBN'))  # has no use for it


@pytest.mark.parametrize(
    'norm_cfg, kind',
    [
        (dict(type='BN', requires_grad=False, eps=1e-3), nn.BatchNorm2d),
        (dict(type='SyncBN', requires_grad=True), nn.SyncBatchNorm),
        (dict(type='GN', num_groups=4), nn.GroupNorm),
        (dict(type='LN'), nn.LayerNorm),
    ],
)
def test_indexnet_follows_a_norm_cfg(norm_cfg, kind):
    layer = IndexNet(8, 8, norm_cfg=norm_cfg).eval()
    norm = layer.blocks[0][1]
    assert isinstance(norm, kind) and norm.weight.requires_grad == norm_cfg.get('requires_grad', True)
    assert norm.eps == norm_cfg.get('eps', 1e-5)
    if kind is not nn.SyncBatchNorm:
        assert layer(torch.randn(1, 8, 4, 5), torch.randn(1, 8, 8, 10)).shape == (1, 8, 8, 10)


@pytest.mark.parametrize(
    'norm_cfg, error, message',
    [
        (dict(type='IN'), ValueError, "must be 'BN', 'SyncBN', 'GN' or 'LN', got 'IN'"),
        ('BN', TypeError, "norm_cfg must be a dict with a 'type'"),
        (dict(type='BN', epsilon=1), TypeError, 'epsilon'),
    ],
)
def test_bad_norms(norm_cfg, error, message):
    with pytest.raises(error, match=message):
        IndexNet(8, 8, norm_cfg=norm_cfg)


@pytest.mark.parametrize('options', [{}, dict(initial_fusion=False), dict(semi_conv=False), dict(highpass=False)])
def test_a_map_that_is_dropped_has_no_weights(options, assert_same):
    cfg = dict(type='FreqFusion', compressed_channels=8, **options)
    whole, part = build_fusion(cfg, 16, 8), build_fusion(cfg, 16, 8, keep_hr=False)
    part.load_state_dict(whole.state_dict())  # which may hold more
    pair = torch.randn(2, 16, 4, 5), torch.randn(2, 8, 13, 15)
    lr_up, hr_feat = part(*pair)
    assert hr_feat is pair[1]
    assert_same(lr_up, whole(*pair)[0])
    lr_up.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in part.parameters())
    assert (part.highpass_encoder is None) == (options != {})
    theirs = {name.replace('highpass_encoder', 'content_encoder2'): p for name, p in whole.state_dict().items()}
    part.load_state_dict(theirs)


def test_option_names():
    names = ['kernel_size', 'compressed_channels', 'gated', 'embedding', 'norm', 'bias', 'with_cp']
    assert option_names('SAPA') == names
    assert 'keep_hr' not in option_names(FreqFusion)


def test_a_module_that_lacks_what_it_imports_says_so(tmp_path, monkeypatch):
    (tmp_path / 'my_up.py').write_text('import not_there\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match='not_there'):
        build_fusion('my_up.Up', 8, 8)
    with pytest.raises(ValueError, match="unknown upsampler type 'my_other.Up'"):
        build_fusion('my_other.Up', 8, 8)


def test_an_option_by_two_of_its_names_is_refused():
    with pytest.raises(TypeError, match='CARAFE: up_kernel is another name of kernel_size: give one of the two'):
        build_fusion(dict(type='carafe', up_kernel=3, kernel_size=5), 8, 8)
