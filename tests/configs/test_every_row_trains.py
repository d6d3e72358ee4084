"""Every row takes a training step at a small size: its whole model with a narrow backbone where that is large."""

import copy
import importlib.util
import re
from pathlib import Path

import pytest
import torch

pytest.importorskip('mmengine', reason='configs are read with mmengine')

from mmengine.model import revert_sync_batchnorm  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from rows import row, walk  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401

ROOT = Path(__file__).resolve().parents[2] / 'configs'
ROWS = {path.stem: path for path in sorted(ROOT.glob('*/*.py')) if path.parent.name != '_base_'}
SIZE = (64, 96)
#: Channels of the stages of ResNet-50 and 101 -> of a narrow ResNet-18; of Swin-B and L -> of a narrow Swin.
NARROW = {256: 8, 512: 16, 1024: 32, 2048: 64}
RESNET = dict(depth=18, stem_channels=8, base_channels=8)
SWIN = dict(embed_dims=8, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8])


def read(name):
    """The model of a row, narrow and without downloads, and its scope."""
    cfg = row(ROWS[name])
    model = cfg.model
    for part in walk(model):
        if (part.get('init_cfg') or {}).get('type') == 'Pretrained':
            part['init_cfg'] = None
    backbone = model.backbone
    if backbone.type in ('ResNet', 'ResNetV1c', 'ResNetWithStem') and backbone.depth >= 50:
        narrow, stages = RESNET, NARROW
    elif backbone.type == 'SwinTransformer' and backbone.embed_dims >= 128:
        narrow, stages = SWIN, {backbone.embed_dims * 2**i: 8 * 2**i for i in range(4)}
    else:
        return model, cfg.default_scope
    backbone.update(narrow)
    for place in ('neck', 'decode_head', 'auxiliary_head'):
        if place in model:
            wide = model[place].in_channels
            model[place].in_channels = [stages.get(n, n) for n in wide] if isinstance(wide, list) else stages[wide]
    if 'roi_head' in model:
        model.roi_head.bbox_head.fc_out_channels = 32
    if model.type == 'DepthEstimator':
        model.decode_head.update(in_channels=[8, 8, 16, 32, 64], channels=256)
    return model, cfg.default_scope


def detection_losses(model, cfg):
    from mmdet.testing import demo_mm_inputs

    head = cfg.roi_head.bbox_head if 'roi_head' in cfg else cfg.bbox_head
    parts = dict(with_mask=getattr(model, 'with_mask', False), with_semantic=hasattr(model, 'semantic_head'))
    side = (300, 300) if 'bbox_head' in cfg else SIZE
    batch = demo_mm_inputs(2, [[3, *side]] * 2, num_items=[2, 2], num_classes=head.num_classes, **parts)
    return model(**model.data_preprocessor(batch, training=True), mode='loss')


def segmentation_losses(model, cfg):
    from mmseg.structures import SegDataSample

    def sample():
        if cfg.type == 'DepthEstimator':
            truth = dict(gt_depth_map=PixelData(data=torch.rand(1, *SIZE) * 9 + 0.5))
        else:
            truth = dict(gt_sem_seg=PixelData(data=torch.randint(0, 4, (1, *SIZE))))
        return SegDataSample(metainfo=dict(img_shape=SIZE, ori_shape=SIZE), **truth)

    return model.loss(torch.randn(2, 3, *SIZE), [sample(), sample()])


def classification_losses(model, cfg):
    from mmpretrain.structures import DataSample

    return model.loss(torch.randn(2, 3, *SIZE), [DataSample().set_gt_label(label) for label in (0, 1)])


LOSSES = dict(mmdet=detection_losses, mmseg=segmentation_losses, mmpretrain=classification_losses)


#: A method of the package, in a name; the last one is taken first.
OURS = ('hff', 'lift', 'resfu', 'freqfusion')


def method_of(name):
    return next((i for i, method in enumerate(OURS, 1) if f'_{method}' in name), 0)


#: One row of each model, whatever its size.
SAMPLE = {re.split(r'_|\d', name)[0]: name for name in sorted(ROWS, key=method_of)}.values()
MARKS = {True: [pytest.mark.slow], False: [pytest.mark.slow, pytest.mark.exhaustive]}


def test_the_sample_has_each_of_our_methods():
    assert {method_of(name) for name in SAMPLE} >= set(range(1, 1 + len(OURS)))


@pytest.mark.parametrize('name', [pytest.param(name, marks=MARKS[name in SAMPLE]) for name in ROWS])
def test_a_training_step(name):
    cfg, scope = read(name)
    if importlib.util.find_spec(scope) is None:
        pytest.skip(f'{scope} is not installed')
    if scope == 'mmpretrain':
        import freqfusion_mm.compat.mmpretrain_imports  # noqa: F401
    else:
        importlib.import_module(f'{scope}.utils').register_all_modules(init_default_scope=False)
    torch.manual_seed(0)
    DefaultScope.get_instance(f'train-{name}', scope_name=scope)
    with DefaultScope.overwrite_default_scope(scope):
        model = revert_sync_batchnorm(MODELS.build(copy.deepcopy(cfg))).train()
        losses = LOSSES[scope](model, cfg)
        total, _ = model.parse_losses(losses)
    total.backward()
    assert total.isfinite() and total > 0
    idle = [
        key
        for key, value in model.named_parameters()
        if value.requires_grad and (value.grad is None or not value.grad.isfinite().all())
    ]
    assert idle == []
