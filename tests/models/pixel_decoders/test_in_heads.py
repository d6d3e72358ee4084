"""Our pixel decoders in mmdet's and mmseg's own heads: one changed line, one loss step."""

import pytest
import torch

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

import mmseg.models  # noqa: F401
from mmdet.models.dense_heads import MaskFormerHead
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData, PixelData
from mmseg.registry import MODELS as SEG_MODELS
from mmseg.structures import SegDataSample

import freqfusion_mm.registration  # noqa: F401

CHANNELS = [256, 512, 1024, 2048]
META = dict(batch_input_shape=(64, 96), img_shape=(64, 96), pad_shape=(64, 96))


@pytest.fixture
def scope():
    """scope('mmdet'): what a runner of that scope sets."""
    return lambda name: DefaultScope.get_instance(f'test-{name}', scope_name=name)


def stock_config(tmp_path, base, pixel_decoder):
    path = tmp_path / 'override.py'
    path.write_text(
        f"_base_ = 'mmdet::{base}'\nmodel = dict(panoptic_head=dict(num_queries=5, pixel_decoder={pixel_decoder!r}))\n"
    )
    return Config.fromfile(path).model


def features():
    return [torch.randn(1, c, 16 // 2**i, 24 // 2**i) for i, c in enumerate(CHANNELS)]


def panoptic_sample():
    masks = torch.zeros(2, 64, 96, dtype=torch.long)
    masks[0, 8:40, 8:40] = masks[1, 40:, 50:] = 1
    instances = InstanceData(labels=torch.tensor([3, 100]), masks=masks)
    sample = DetDataSample(metainfo=META, gt_instances=instances)
    sample.gt_sem_seg = PixelData(sem_seg=torch.full((1, 64, 96), 90))
    return sample


def assert_trains(head, losses):
    total = sum(losses.values())
    assert total.isfinite()
    total.backward()
    decoder = head.pixel_decoder
    assert all(p.grad is not None for p in decoder.fusions.parameters())


@pytest.mark.parametrize(
    'decoder',
    [
        dict(type='FusionTransformerEncoderPixelDecoder'),
        dict(_delete_=True, type='FusionPixelDecoder'),
    ],
    ids=['transformer', 'conv'],
)
def test_maskformer_head(tmp_path, scope, decoder):
    register_all_modules(init_default_scope=False)
    scope('mmdet')
    model = stock_config(
        tmp_path, 'maskformer/maskformer_r50_ms-16xb1-75e_coco.py', dict(decoder, upsample_cfg=dict(type='FreqFusion'))
    )
    head = MaskFormerHead(
        **{k: v for k, v in model.panoptic_head.items() if k != 'type'},
        train_cfg=model.train_cfg,
        test_cfg=model.test_cfg,
    )
    head.init_weights()
    # mmdet's MaskFormerHead wants thing masks and builds the stuff from the semantic map
    sample = panoptic_sample()
    sample.gt_instances = sample.gt_instances[:1]
    sample.gt_instances.masks = _bitmap(sample.gt_instances.masks)
    assert_trains(head, head.loss(features(), [sample]))


@pytest.mark.parametrize('enforced', [False, True])
def test_a_memory_of_the_right_width_is_projected_where_it_is_asked_for(tmp_path, scope, enforced):
    register_all_modules(init_default_scope=False)
    scope('mmdet')
    decoder = dict(_delete_=True, type='FusionPixelDecoder', upsample_cfg='nearest')
    model = stock_config(tmp_path, 'maskformer/maskformer_r50_ms-16xb1-75e_coco.py', decoder)
    options = dict(model.panoptic_head, in_channels=[8, 8, 8, 256], enforce_decoder_input_project=enforced)
    options.pop('type')
    head = MaskFormerHead(**options, train_cfg=model.train_cfg, test_cfg=model.test_cfg)
    assert isinstance(head.decoder_input_proj, torch.nn.Conv2d) is enforced


@pytest.mark.parametrize(
    'framework, upsample_cfg',
    [
        ('mmdet', dict(type='FreqFusion', hamming_window=False, compressed_channels=64, resample_norm=False)),
        ('mmseg', dict(type='FreqFusion', hamming_window=False, compressed_channels=64, resample_norm=False)),
        ('mmdet', dict(type='ReSFU')),
    ],
)
def test_mask2former_head(tmp_path, scope, framework, upsample_cfg):
    register_all_modules(init_default_scope=False)
    scope(framework)
    model = stock_config(
        tmp_path,
        'mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py',
        dict(type='FusionMSDeformAttnPixelDecoder', fuse_inputs=True, upsample_cfg=upsample_cfg),
    )
    cfg = model.panoptic_head
    cfg.transformer_decoder.num_layers = 2
    cfg.pixel_decoder.encoder.num_layers = 1
    train_cfg = model.train_cfg
    train_cfg.num_points = 256
    if framework == 'mmdet':
        from mmdet.registry import MODELS as DET_MODELS

        head = DET_MODELS.build(dict(cfg, train_cfg=train_cfg, test_cfg=model.test_cfg))
        head.init_weights()
        sample = panoptic_sample()
        sample.gt_instances.masks = _bitmap(sample.gt_instances.masks)
        losses = head.loss(features(), [sample])
    else:
        for key in ('loss_cls', 'loss_mask', 'loss_dice'):
            cfg[key].type = f'mmdet.{cfg[key].type}'
        for cost in train_cfg.assigner.match_costs:
            cost.type = f'mmdet.{cost.type}'
        train_cfg.assigner.type = f'mmdet.{train_cfg.assigner.type}'
        train_cfg.sampler.type = f'mmdet.{train_cfg.sampler.type}'
        del cfg.num_things_classes, cfg.num_stuff_classes
        head = SEG_MODELS.build(dict(cfg, num_classes=133, train_cfg=train_cfg, strides=[4, 8, 16, 32]))
        head.init_weights()
        sample = SegDataSample(metainfo=META)
        sample.gt_sem_seg = PixelData(data=panoptic_sample().gt_instances.masks[:1] * 7)
        losses = head.loss(features(), [sample], train_cfg)
    assert len(head.pixel_decoder.input_fusions) == 2
    assert_trains(head, losses)


def _bitmap(masks):
    from mmdet.structures.mask import BitmapMasks

    return BitmapMasks(masks.numpy().astype('uint8'), *masks.shape[1:])
