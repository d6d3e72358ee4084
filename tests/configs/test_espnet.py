"""The ESPNet and ESPNetv2 configs: they parse, build, take a step."""

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import yaml

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')

from mmengine.config import Config  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import MODELS, DefaultScope  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from rows import row, walk  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.apis.classes import class_meta  # noqa: E402

ROOT = Path(__file__).resolve().parents[2] / 'configs'
FILES = {
    file.name.removesuffix('.py'): file
    for folder in ('espnet', 'espnetv2', 'shapes')
    for file in sorted((ROOT / folder).glob('*esp*.py'))
}


@pytest.fixture
def cfg(request):
    cfg = row(FILES[request.param])
    pytest.importorskip(cfg.default_scope)
    if cfg.default_scope == 'mmpretrain':
        import freqfusion_mm.compat.mmpretrain_imports  # noqa: F401
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        if DefaultScope.get_current_instance() is None:
            DefaultScope.get_instance(request.param, scope_name=cfg.default_scope)
        yield cfg


def every(names):
    return pytest.mark.parametrize('cfg', list(names), indirect=True, ids=list(names))


@every(FILES)
def test_validation_reads_its_images_as_the_test_does(cfg):
    assert cfg.val_dataloader.dataset.pipeline == cfg.test_dataloader.dataset.pipeline


@every([name for name in FILES if 'camvid' in name])
def test_test_images_choose_no_checkpoint(cfg):
    assert cfg.default_hooks.checkpoint.save_best
    assert cfg.val_dataloader.dataset.data_prefix == dict(img_path='val', seg_map_path='valannot')
    assert cfg.test_dataloader.dataset.data_prefix == dict(img_path='test', seg_map_path='testannot')


@every({name.split('_')[0] + name.split('_')[-1]: name for name in FILES}.values())
def test_the_text_of_a_run_s_config_reads_as_the_config(cfg):
    """Of one row of every model and data set: writing the text takes a second."""
    assert 'http' not in Path(cfg.filename).read_text()
    assert Config.fromstring(cfg.pretty_text, '.py').model.to_dict() == cfg.model.to_dict()


SMALL = [
    name
    for name in FILES
    if not any(s in name for s in ('faster-rcnn', 'ssd', 'imagenet'))
    and any(s in name for s in ('q3', 's0.5', 'shapes', 'cam'))
]


@every(SMALL)
def test_a_training_step(cfg):
    classes = cfg.model.decode_head.num_classes
    cfg.model.data_preprocessor.size = (64, 64)
    model = MODELS.build(cfg.model)
    assert classes == len(class_meta(cfg, model)['classes'])
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    samples = []
    for _ in range(2):
        sample = SegDataSample(metainfo=dict(img_shape=(64, 64), ori_shape=(64, 64)))
        sample.gt_sem_seg = PixelData(data=torch.randint(0, classes, (1, 64, 64)))
        samples.append(sample)
    losses = model.train_step(
        dict(inputs=[torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8)] * 2, data_samples=samples), optimizer
    )
    assert torch.isfinite(losses['loss'])


@every([name for name in FILES if 'imagenet' in name])
def test_classifiers_train_a_step(cfg):
    pytest.importorskip('mmpretrain')
    from mmpretrain.structures import DataSample

    model = MODELS.build(cfg.model)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    images = [torch.randint(0, 255, (3, 64, 64), dtype=torch.uint8) for _ in range(2)]
    samples = [DataSample().set_gt_label(label) for label in (0, 999)]
    assert torch.isfinite(model.train_step(dict(inputs=images, data_samples=samples), optimizer)['loss'])


@every([name for name in FILES if 'faster-rcnn' in name])
def test_detectors_build_and_see(cfg):
    model = MODELS.build(cfg.model).eval()
    with torch.no_grad():
        outs = model.extract_feat(torch.rand(1, 3, 96, 130))
    assert [out.shape[1] for out in outs] == [cfg.model.neck.out_channels] * cfg.model.neck.num_outs


#: Parameters (M) and multiply-adds (G) of the zoo's README, to their digits.
SSD = {
    'ssd300_espnetv2-s2.0_hff_1xb32-240e_coco': 5.81,
    'ssd512_espnetv2-s2.0_hff_1xb32-240e_coco': 5.81,
    'ssd300_espnetv2-s2.0_hff_1xb32-240e_voc0712': 4.75,
    'ssd512_espnetv2-s2.0_hff_1xb32-240e_voc0712': 4.75,
}


@every(SSD)
def test_ssd_has_the_published_parameters_and_anchors(cfg):
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    count = sum(parameter.numel() for parameter in model.parameters())
    assert round(count / 1e6, 2) == SSD[Path(cfg.filename).stem]
    side = int(Path(cfg.filename).stem[3:6])
    sizes = [-(-side // stride) for stride in (8, 16, 32, 64)] + [3 if side == 300 else 4, 1]
    anchors = model.bbox_head.prior_generator
    assert anchors.num_base_priors == [6] * 6
    smallest, largest = -(-side // 10), -(-side * 21 // 20)
    steps = [int(smallest + i * (largest - smallest) / 6) for i in range(7)]
    assert list(anchors.base_sizes) == steps[:-1] == list(cfg.model.bbox_head.anchor_generator.min_sizes)
    assert list(cfg.model.bbox_head.anchor_generator.max_sizes) == steps[1:]
    for size, (stride, _) in zip(sizes, anchors.strides):
        assert size == -(-side // stride)  # the last pixel's anchor still lies in the image


@pytest.mark.slow
@every([name for name in SSD if 'voc' in name])
def test_ssd_trains_and_finds(cfg):
    from mmdet.testing import demo_mm_inputs

    side = int(Path(cfg.filename).stem[3:6])
    model = MODELS.build(cfg.model)
    model.init_weights()
    batch = demo_mm_inputs(2, [[3, side, side]] * 2, num_items=[2, 3], num_classes=20)
    data = model.data_preprocessor(copy.deepcopy(batch), training=True)
    total, _ = model.parse_losses(model.train()(**data, mode='loss'))
    total.backward()
    assert total.isfinite()
    idle = [key for key, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert idle == []
    with torch.no_grad():
        results = model.eval().test_step(batch)
    assert all(len(result.pred_instances) <= cfg.model.test_cfg.max_per_img for result in results)
    assert all((result.pred_instances.labels < 20).all() for result in results)


def test_ssd_s_levels_have_the_sizes_of_its_strides():
    from freqfusion_mm.models.necks import ESPNetV2SSDNeck

    neck, seen = ESPNetV2SSDNeck([8, 16, 24], (16, 12, 8)).eval(), []
    neck.pools[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    maps = [torch.rand(1, c, size, size + 1) for c, size in ((8, 37), (16, 19), (24, 10))]
    with torch.no_grad():
        outs = neck(maps)
    assert [tuple(out.shape[1:]) for out in outs] == [
        *((8, 37, 38), (16, 19, 20), (24, 10, 11), (16, 5, 6), (12, 3, 3), (8, 1, 1))
    ]
    coarser = F.interpolate(outs[4], (5, 6), mode='bilinear', align_corners=True)
    torch.testing.assert_close(seen[0][:, :12], coarser)
    assert [pool.scales for pool in neck.pools] == [(2.0, 1.0), (2.0, 1.0, 0.5), *[(2.0, 1.0, 0.5, 0.25)] * 2]
    torch.testing.assert_close(outs[5], neck.whole(outs[4].mean((2, 3), keepdim=True)).relu())
    with pytest.raises(ValueError, match='want three numbers each'):
        ESPNetV2SSDNeck([8, 16], (16, 12, 8))
    with pytest.raises(ValueError, match='ESPNetV2SSDNeck'):
        neck(maps[:2])


def test_the_pointwise_head_has_one_convolution_a_level():
    from freqfusion_mm.models.dense_heads import PointwiseSSDHead

    with DefaultScope.overwrite_default_scope('mmdet'):
        anchors = Config.fromfile(FILES[next(iter(SSD))]).model.bbox_head.anchor_generator
        head = PointwiseSSDHead(num_classes=3, in_channels=[4, 5, 6, 7, 8, 9], anchor_generator=anchors)
        assert [conv.kernel_size for conv in [*head.cls_convs, *head.reg_convs]] == [(1, 1)] * 12
        assert [conv.out_channels for conv in head.cls_convs] == [n * 4 for n in head.num_base_priors]
        with pytest.raises(ValueError, match='take SSDHead'):
            PointwiseSSDHead(num_classes=3, in_channels=[4] * 6, anchor_generator=anchors, use_depthwise=True)


def test_the_units_differ_from_esp_by_the_unit_alone():
    names = [name for name in FILES if name.startswith('espnet-c_p2-q3_') and 'cityscapes' in name]
    esp = Config.fromfile(FILES['espnet-c_p2-q3_hff_1xb12-300e_cityscapes-512x1024']).to_dict()
    found = {}
    for name in names:
        other = Config.fromfile(FILES[name]).to_dict()
        found[name] = other['model']['backbone'].pop('unit', 'esp')
        assert other == esp
    assert sorted(found.values()) == ['esp', 'inception', 'mobilenet', 'resnet', 'resnext', 'shufflenet']


#: Printed on the poster (M), and how far ours is from it: where the print fixes the unit, its last digit.
POSTER = {
    'mobilenet': (0.233, 5e-4),
    'shufflenet': (0.181, 5e-4),
    'hff': (0.187, 6e-4),
    'resnet': (1.200, 4e-3),
    'resnext': (0.424, 2e-3),
    'inception': (0.328, 3e-3),
}


@pytest.mark.parametrize('unit', POSTER)
def test_units_have_about_the_poster_s_parameters(unit):
    meta = yaml.safe_load((ROOT / 'espnet' / 'metafile.yml').read_text())
    [model] = [m for m in meta['Models'] if m['Name'].startswith(f'espnet-c_p2-q3_{unit}_')]
    printed, tolerance = POSTER[unit]
    assert model['Metadata']['Parameters (M)'] == pytest.approx(printed, abs=tolerance)


def test_the_ablation_changes_the_fusion_alone():
    for name in FILES:
        if '_concat_' in name:
            off, on = (row(FILES[other]).to_dict() for other in (name, name.replace('_concat_', '_hff_')))
            chains = [part for part in walk(off['model']) if 'chain' in part]
            assert chains and all(part.pop('chain') == 'none' for part in chains)
            for part in walk(on['model']):
                part.pop('chain', None)
            assert off == on
