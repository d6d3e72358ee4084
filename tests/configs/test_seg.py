"""The semantic segmentation configs: they parse, build, train a step and cost what they should."""

import contextlib
import io
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.analysis import get_model_complexity_info  # noqa: E402
from mmengine.model import revert_sync_batchnorm  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import MODELS as ROOT_MODELS  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from mmseg.utils import register_all_modules  # noqa: E402
from rows import row, walk  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.ops.library import CAN_REGISTER  # noqa: E402

ROOT = Path(__file__).resolve().parents[2] / 'configs'
MODELS_HERE = ('segnext_mscan', 'segformer_', 'upernet_r', 'mask2former_', 'maskformer_', 'semantic-fpn_')
KINDS = ('_bilinear_', '_nearest_', '_freqfusion_', '_freqfusion-')
DATA = ('ade20k', 'cityscapes', 'coco-stuff164k', 'loveda', 'shapes')
FILES = {
    path.stem: path
    for folder in ('freqfusion', 'upsamplers', 'shapes', 'loveda')
    for path in sorted((ROOT / folder).glob('*.py'))
    if path.stem.startswith(MODELS_HERE)
    and (folder == 'upsamplers' or any(kind in path.stem for kind in KINDS))
    and any(data in path.stem for data in DATA)
}
FREQFUSION = [name for name in FILES if '_freqfusion_' in name and '-200i_' not in name]


@pytest.fixture(autouse=True)
def mmseg_scope():
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmseg'):
        if DefaultScope.get_current_instance() is None:
            DefaultScope.get_instance('test_configs_seg', scope_name='mmseg')
        yield


def load(name):
    """The config, without downloads and without norms that want several GPUs."""
    cfg = row(FILES[name])
    for part in walk(cfg._cfg_dict.model):
        if isinstance(part.get('init_cfg'), dict) and part['init_cfg'].get('type') == 'Pretrained':
            part['init_cfg'] = None
    return cfg


def build(name):
    return revert_sync_batchnorm(MODELS.build(load(name).model))


def build_on_meta(name):
    linspace = torch.linspace  # backbones ask it for drop-path rates as numbers
    with torch.device('meta'), patch('torch.linspace', lambda *args: linspace(*args, device='cpu')):
        return MODELS.build(load(name).model)


def params(model):
    return sum(parameter.numel() for parameter in model.parameters())


def partner(name):
    for kind in ('bilinear', 'nearest'):
        if (other := name.replace('_freqfusion_', f'_{kind}_')) in FILES:
            return other
    raise AssertionError(f'{name} has no baseline')


def test_there_are_configs():
    assert len(FILES) >= 23 and len(FREQFUSION) >= 11


@pytest.mark.parametrize('name', FILES)
def test_file(name):
    cfg = row(FILES[name])
    assert cfg.default_scope == 'mmseg'
    assert cfg.custom_imports.imports == ['freqfusion_mm.registration']
    assert cfg.train_cfg.type == 'IterBasedTrainLoop'
    assert cfg.default_hooks.checkpoint.by_epoch is False
    assert cfg.resume is False and 'visualization' in cfg.default_hooks
    classes = {'ade20k': 150, 'cityscapes': 19, 'coco-stuff164k': 171, 'loveda': 7, 'shapes': 12}
    assert cfg.model.decode_head.num_classes == next(n for data, n in classes.items() if data in name)


@pytest.mark.parametrize('name', FREQFUSION)
def test_one_line_from_the_baseline(name):
    ours, baseline = (row(FILES[n]).to_dict() for n in (name, partner(name)))
    found = []

    def compare(first, second, where):
        if isinstance(first, dict) and isinstance(second, dict) and where[-1:] != ('upsample_cfg',):
            for key in {*first, *second}:
                compare(first.get(key), second.get(key), (*where, key))
        elif first != second:
            found.append(where)

    assert ours.pop('upsample_cfg')['type'] == 'FreqFusion'  # the preset's, read by the model
    compare(ours, baseline, ())
    changed = {where[-1] for where in found}
    assert 'upsample_cfg' in changed and changed <= {'upsample_cfg', 'fuse_inputs'}, found
    assert len({where[:-1] for where in found}) == 1


def loss_step(model, size):
    model.train()
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, *size, generator=generator)
    labels = torch.randint(0, 4, (2, 1, *size), generator=generator)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=dict(img_shape=size)) for label in labels]
    losses = model.loss(images, samples)
    total = sum(value for name, value in losses.items() if 'loss' in name)
    total.backward()
    return total


@pytest.mark.parametrize(
    'name',
    [
        name if 'shapes' in name else pytest.param(name, marks=pytest.mark.slow)  # of the published sizes
        for name in FILES
        if 'swin' not in name
        and 'r101' not in name
        and ('cityscapes' not in name or '_freqfusion-' in name)
        and not ('r50' in name and 'bilinear' in name)
    ],
)
def test_one_loss_step(name):
    torch.manual_seed(0)
    model = build(name)
    total = loss_step(model, (64, 96))
    assert torch.isfinite(total)
    fusions = {key: value for key, value in model.named_parameters() if 'fusions' in key}
    assert fusions or 'freqfusion' not in name
    for key, value in fusions.items():
        assert value.grad is not None and torch.isfinite(value.grad).all(), key


@pytest.mark.slow
@pytest.mark.parametrize(
    'name', [name for name in FILES if 'swin-b' in name and FILES[name].parent.name == 'upsamplers']
)
def test_one_loss_step_of_a_narrow_swin(name):
    cfg = load(name)
    cfg.model.backbone.update(embed_dims=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8])
    cfg.model.decode_head.in_channels = [16, 32, 64, 128]
    model = MODELS.build(cfg.model)
    assert torch.isfinite(loss_step(model, (64, 96)))
    fusions = {key: value for key, value in model.named_parameters() if 'fusions' in key}
    assert fusions or '_nearest_' in name or '_sapa-i_' in name
    assert all(value.grad is not None and torch.isfinite(value.grad).all() for value in fusions.values())


def overhead(name):
    return params(build_on_meta(name)) - params(build_on_meta(partner(name)))


def published_overhead(name):
    """Parameters with the light offset generator, the only one that gives both of the paper's digits.

    There, the offsets see the eight similarities only, their scales the compressed features only, and
    the convolutions are 1x1; the released configs have 3x3 ones that see both.
    """
    cfg = load(name)
    cfg.model.decode_head.upsample_cfg.update(resample_direction='similarity', resample_kernel=1)
    return params(MODELS.build(cfg.model)) - params(build_on_meta(partner(name)))


@pytest.mark.parametrize(
    'name, baseline, lr_channels, widths, ours, published',
    [
        ('segnext_mscan-t_freqfusion_1xb16-160k_ade20k-512x512', 4.26, [256, 416], [104, 120], 343_780, 0.18),
        ('segformer_mit-b1_freqfusion_8xb2-160k_ade20k-512x512', 13.7, [256, 512, 768], [64, 96, 128], 552_406, 0.34),
    ],
)
def test_parameter_overhead(name, baseline, lr_channels, widths, ours, published):
    fusions = build_on_meta(name).decode_head.fusions
    assert [fusion.lr_channels for fusion in fusions] == lr_channels
    assert [fusion.lr_compressor.out_channels for fusion in fusions] == widths
    assert params(build_on_meta(partner(name))) / 1e6 == pytest.approx(baseline, abs=0.05)
    assert overhead(name) == ours
    assert round(published_overhead(name) / 1e6, 2) == published


def test_swin_backbone_norms_do_not_decay():
    cfg = load('mask2former_swin-b-in22k_freqfusion_8xb2-160k_ade20k-640x640')
    cfg.model.backbone.update(embed_dims=32, depths=[1, 1, 2, 1], num_heads=[1, 2, 4, 8])
    cfg.model.decode_head.in_channels = [32, 64, 128, 256]
    model = MODELS.build(cfg.model)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    names = {id(parameter): key for key, parameter in model.named_parameters()}
    for group in wrapper.optimizer.param_groups:
        name = names[id(group['params'][0])]
        exempt = 'norm' in name or 'gn' in name or 'position_bias' in name or 'embed.weight' in name
        if name.startswith('backbone.'):
            assert group['lr'] == pytest.approx(1e-5)
            assert group['weight_decay'] == (0 if exempt and 'proj' not in name else 0.05), name
        else:
            assert group['lr'] == pytest.approx(1e-4)


@pytest.mark.parametrize(
    'name', ['FusionSegformerHead', 'FusionHamHead', 'FusionUPerHead', 'FusionSemanticFPNHead', 'FusionUNetHead']
)
def test_heads_are_in_the_root_registry(name):
    assert ROOT_MODELS.module_dict[name] is MODELS.get(name)


def giga_products(name, side):
    """mmengine counts the products of convolutions and matrices, and of reassembly where torch can register it; not
    those of resampling."""
    with contextlib.redirect_stdout(io.StringIO()):
        info = get_model_complexity_info(build(name).eval(), (3, side, side), show_table=False, show_arch=False)
    return info['flops'] / 1e9


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, baseline, convolutions, reassemblies',
    [
        ('segnext_mscan-t_freqfusion_1xb16-160k_ade20k-512x512', 6.45, 0.524, 0.063),
        ('segformer_mit-b1_freqfusion_8xb2-160k_ade20k-512x512', 16.01, 2.900, 0.465),
    ],
)
def test_products_at_512(name, baseline, convolutions, reassemblies):
    assert giga_products(partner(name), 512) == pytest.approx(baseline, abs=0.02)
    # a fusion's cost is linear in the pixels, so a small picture tells it
    overhead_at_128 = giga_products(name, 128) - giga_products(partner(name), 128)
    assert overhead_at_128 * 16 == pytest.approx(convolutions + CAN_REGISTER * reassemblies, abs=0.01)
