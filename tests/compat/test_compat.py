"""Patches of the frameworks: applied once, and nothing that is not ours changes."""

import pickle

import pytest
import torch

pytest.importorskip('mmengine')

from mmengine.config import Config  # noqa: E402

from freqfusion_mm import compat, config_path  # noqa: E402


def test_applying_again_changes_nothing():
    from mmengine.analysis.complexity_analysis import _DEFAULT_SUPPORTED_FLOP_OPS as flops
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.registry import MODELS

    compat.apply()
    before = Config._get_cfg_path, dict(MODULE2PACKAGE), set(flops), MODELS.get('carafe')
    compat.apply()
    assert before == (Config._get_cfg_path, dict(MODULE2PACKAGE), set(flops), MODELS.get('carafe'))


def test_foreign_configs_are_untouched(tmp_path):
    compat.apply()
    (tmp_path / 'base.py').write_text("x = dict(type='Any', a=1)\n")
    (tmp_path / 'theirs.py').write_text("_base_ = './base.py'\nx = dict(b=2)\n")
    assert Config.fromfile(tmp_path / 'theirs.py').x == dict(type='Any', a=1, b=2)
    (tmp_path / 'wrong.py').write_text("_base_ = 'nobody::base.py'\n")
    with pytest.raises(ValueError, match='external package'):
        Config.fromfile(tmp_path / 'wrong.py')


def test_foreign_models_flops_and_checkpoints_are_untouched():
    from mmengine.analysis import get_model_complexity_info
    from mmengine.runner.checkpoint import CheckpointLoader

    loaders = dict(CheckpointLoader._schemes)
    compat.apply()
    assert CheckpointLoader._schemes == loaders  # reading as data alone is for our own commands
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1))
    counted = get_model_complexity_info(model, input_shape=(3, 12, 14), show_table=False, show_arch=False)
    assert counted['flops'] == 10 * 12 * (4 * 3 * 9 + 2 * 4)


def test_a_base_by_path_needs_no_prefix(tmp_path):
    """As a config for the frameworks' own tools may write it, where mmengine's prefix fails."""
    pytest.importorskip('mmseg')
    base = 'fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'
    (tmp_path / 'mine.py').write_text(f"_base_ = [__import__('freqfusion_mm').config_path('mmseg::{base}')]\n")
    assert Config.fromfile(tmp_path / 'mine.py').model.type == 'EncoderDecoder'
    assert config_path('freqfusion_mm::default_runtime') == config_path('default_runtime')
    assert config_path('mmseg::fcn_r50-d8_4xb2-40k_cityscapes-512x1024') == config_path(f'mmseg::{base}')
    with pytest.raises(ValueError, match='the nearest are: fcn/fcn_r50'):
        config_path('mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1025.py')
    with pytest.raises(ValueError, match='nobody is not installed'):
        config_path('nobody::a.py')


def literal_carafe(x, mask, kernel, groups, ratio):
    """mmcv's definition, loop by loop: zeros outside, the window of the coarse pixel below."""
    out = x.new_zeros(*x.shape[:2], ratio * x.shape[2], ratio * x.shape[3])
    for b, c, y, x_ in torch.cartesian_prod(*(torch.arange(size) for size in out.shape)).tolist():
        group = c // (x.shape[1] // groups)
        for i in range(kernel):
            for j in range(kernel):
                row, col = y // ratio + i - kernel // 2, x_ // ratio + j - kernel // 2
                if 0 <= row < x.shape[2] and 0 <= col < x.shape[3]:
                    weight = mask[b, group * kernel**2 + i * kernel + j, y, x_]
                    out[b, c, y, x_] += weight * x[b, c, row, col]
    return out


@pytest.fixture
def carafe_pack():
    ops = pytest.importorskip('mmcv.ops', reason='mmcv has no compiled operators')
    import freqfusion_mm.registration  # noqa: F401

    return ops.CARAFEPack


@pytest.mark.parametrize('groups, ratio', [(1, 2), (2, 2), (2, 3)])
def test_carafe_of_mmcv_runs_on_the_cpu(carafe_pack, groups, ratio):
    from mmcv.cnn import build_upsample_layer

    torch.manual_seed(0)
    cfg = dict(type='carafe', channels=4, scale_factor=ratio, up_kernel=3, up_group=groups, encoder_kernel=3)
    layer = build_upsample_layer(dict(cfg, compressed_channels=4)).double()
    stock = carafe_pack(4, ratio, up_kernel=3, up_group=groups, encoder_kernel=3, compressed_channels=4)
    assert isinstance(layer, carafe_pack) and layer.state_dict().keys() == stock.state_dict().keys()
    x = torch.randn(2, 4, 3, 5, dtype=torch.float64)
    mask = layer.kernel_normalizer(layer.content_encoder(layer.channel_compressor(x)))
    torch.testing.assert_close(layer(x), literal_carafe(x, mask, 3, groups, ratio))


def test_fpn_carafe_runs_on_the_cpu(carafe_pack):
    pytest.importorskip('mmdet')
    from mmdet.models.necks import FPN_CARAFE

    upsample = dict(type='carafe', up_kernel=5, up_group=1, encoder_kernel=3, encoder_dilation=1, compressed_channels=4)
    neck = FPN_CARAFE([4, 6, 8], 8, 3, norm_cfg=None, act_cfg=None, upsample_cfg=upsample)
    maps = [torch.randn(1, channels, size, size) for channels, size in ((4, 16), (6, 8), (8, 4))]
    outs = neck(maps)
    assert [out.shape[-1] for out in outs] == [16, 8, 4]
    sum(out.sum() for out in outs).backward()


@pytest.mark.parametrize(
    'stock, twin',
    [
        ('PAFPN', 'FusionPAFPN'),
        ('mmdet.PAFPN', 'FusionPAFPN'),
        ('NASFCOS_FPN', 'FusionNASFCOSFPN'),
        ('FPN_DropBlock', 'FusionFPNDropBlock'),
        ('HRFPN', 'FusionHRFPN'),
        ('RFP', 'FusionRFP'),
        ('CLRFPN', 'FusionCLRFPN'),
    ],
)
def test_a_neck_that_would_drop_paths_is_refused_with_the_twin(tmp_path, stock, twin):
    compat.apply()
    (tmp_path / 'base.py').write_text(f"model = dict(neck=dict(type='{stock}', in_channels=[8], num_outs=1))\n")
    child = "_base_ = './base.py'\nmodel = dict(neck=dict({}type='{}', upsample_cfg=dict(type='FreqFusion')))\n"
    (tmp_path / 'child.py').write_text(child.format('', 'FusionFPN'))
    with pytest.raises(TypeError, match=f"its twin is '{twin}'"):
        Config.fromfile(tmp_path / 'child.py')
    base = Config.fromfile(tmp_path / 'base.py')
    for line in ({'model.neck.type': 'FusionFPN'}, {'model.neck.type': 'freqfusion_mm.models.necks.FusionFPN'}):
        with pytest.raises(TypeError, match=f"its twin is '{twin}'"):
            base.merge_from_dict(line)
    (tmp_path / 'twin.py').write_text(child.format('', twin))
    assert Config.fromfile(tmp_path / 'twin.py').model.neck.in_channels == [8]
    (tmp_path / 'new.py').write_text(child.format('_delete_=True, ', 'FusionFPN'))
    assert 'in_channels' not in Config.fromfile(tmp_path / 'new.py').model.neck


def test_the_extra_levels_of_an_fpn_carafe_are_not_dropped_in_silence():
    compat.apply()
    neck = dict(type='FPN_CARAFE', in_channels=[8, 16], out_channels=8, num_outs=3)
    for more in (dict(), dict(start_level=1, num_outs=2)):  # one of two inputs left out
        config = Config(dict(neck={**neck, **more}))
        with pytest.raises(TypeError, match="write add_extra_convs='fused' beside it"):
            config.merge_from_dict({'neck.type': 'FusionFPN'})
    for also in ('fused', False):
        config = Config(dict(neck=neck))
        config.merge_from_dict({'neck.type': 'FusionFPN', 'neck.add_extra_convs': also})
        assert config.neck.add_extra_convs == also
    config = Config(dict(neck=dict(neck, num_outs=2)))
    config.merge_from_dict({'neck.type': 'FusionFPN'})


def test_a_neck_in_a_list_that_would_drop_paths_is_refused():
    compat.apply()
    config = Config(dict(model=dict(neck=[dict(type='PAFPN'), dict(type='BFP')])))
    with pytest.raises(TypeError, match="its twin is 'FusionPAFPN'"):
        config.merge_from_dict({'model.neck.0.type': 'FusionFPN'})
    config.merge_from_dict({'model.neck.0.type': 'FusionPAFPN', 'model.neck.1.type': 'FusionBFP'})
    assert [neck.type for neck in config.model.neck] == ['FusionPAFPN', 'FusionBFP']


def test_a_model_with_carafe_can_be_pickled(carafe_pack):
    from mmcv.cnn import build_upsample_layer

    layer = build_upsample_layer(dict(type='carafe', channels=4, scale_factor=2, compressed_channels=4))
    again = pickle.loads(pickle.dumps(layer))
    x = torch.randn(1, 4, 3, 5)
    assert type(again) is type(layer) and torch.equal(again(x), layer(x))
