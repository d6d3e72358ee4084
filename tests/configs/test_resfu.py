"""ReSFU's configs: one line from their baselines, the learning rates of the similarities, depth."""

from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.model import revert_sync_batchnorm  # noqa: E402
from mmengine.optim import build_optim_wrapper  # noqa: E402
from mmengine.registry import DefaultScope  # noqa: E402
from mmengine.runner import Runner  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.registry import METRICS, MODELS  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402
from mmseg.utils import register_all_modules  # noqa: E402
from rows import row  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401

ROOT = Path(__file__).resolve().parents[2] / 'configs'
FILES = {path.stem: path for folder in ('resfu', 'shapes', 'freqfusion') for path in (ROOT / folder).glob('*.py')}
RESFU = [name for name in FILES if '_resfu' in name]
DEPTH = [name for name in FILES if 'nyu' in name]
SHAPES = [
    'segformer_r18-slim_resfu_1xb8-1500i_shapes-128x128',
    'segmenter-x4_vit-tiny_resfu_1xb8-1000i_shapes-128x128',
    'segmenter-x8_vit-tiny_resfu_1xb8-1000i_shapes-128x128',
    'faster-rcnn_r18_resfu_1xb4-12e_shapes',
    'panoptic-fpn_r18_resfu_1xb4-12e_shapes',
]


@pytest.fixture(autouse=True)
def mmseg_scope():
    register_all_modules(init_default_scope=False)
    with DefaultScope.overwrite_default_scope('mmseg'):
        if DefaultScope.get_current_instance() is None:
            DefaultScope.get_instance('test_configs_resfu', scope_name='mmseg')
        yield


def partner(name):
    plain = name.replace('_resfu-released_', '_resfu_').replace('_resfu-paramwise_', '_resfu_')
    found = [other for kind in ('bilinear', 'nearest') if (other := plain.replace('_resfu_', f'_{kind}_')) in FILES]
    assert found, f'{name} has no baseline'
    return found[0]


def upsampling_part(model):
    part = model.get('neck') or model['decode_head']
    return part.get('pixel_decoder', part)


def load(name):
    """The config without downloads."""
    cfg = row(FILES[name])
    cfg.model.backbone.init_cfg = None
    return cfg


def build(name, **head):
    cfg = load(name)
    cfg.model.decode_head.update(head)
    return revert_sync_batchnorm(MODELS.build(cfg.model))


def test_there_are_configs():
    assert len(RESFU) >= 14 and set(SHAPES) <= set(RESFU) and len(DEPTH) == 2


@pytest.mark.parametrize('name', RESFU)
def test_one_line_from_the_baseline(name):
    ours, baseline = (row(FILES[n]).to_dict() for n in (name, partner(name)))
    assert upsampling_part(ours['model']).pop('upsample_cfg')['type'] == 'ReSFU'
    assert ours.pop('upsample_cfg')['type'] == 'ReSFU'  # the preset's, read by the model
    assert upsampling_part(baseline['model']).pop('upsample_cfg')['type'] in ('bilinear', 'nearest')
    if '-paramwise_' in name:
        assert set(ours['optim_wrapper'].pop('paramwise_cfg')['custom_keys']) == {'semantic_scores', 'detail_scores'}
    assert ours == baseline


SEMANTIC = sorted(
    name
    for name, path in FILES.items()
    if 'vit-' in name or '_resfu' in name or path.parent.name == 'resfu'
    if 'coco' not in name and 'nyu' not in name and not name.endswith('_shapes')
)


@pytest.mark.parametrize(
    'name', [name if 'shapes' in name else pytest.param(name, marks=pytest.mark.slow) for name in SEMANTIC]
)
def test_one_loss_step(name):
    torch.manual_seed(0)
    model = build(name)
    model.train()
    labels = torch.randint(0, 12, (2, 1, 64, 64))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=dict(img_shape=(64, 64))) for label in labels]
    losses = model.loss(torch.randn(2, 3, 64, 64), samples)
    total = sum(value for key, value in losses.items() if 'loss' in key)
    total.backward()
    assert total.isfinite()
    for key, value in model.decode_head.named_parameters():
        assert value.grad is not None and value.grad.isfinite().all(), key


def dilations(name):
    """Dilation of each ReSFU at the sizes of a 64x64 image, from deep to shallow."""
    model = build(name)
    found = []
    for module in model.modules():
        if type(module).__name__ == 'PairedDifferenceConv':
            module.register_forward_pre_hook(
                lambda module, args, kwargs: found.append(kwargs.get('dilation', args[-1])), with_kwargs=True
            )
    with torch.no_grad():
        model(torch.randn(2, 3, 64, 64), mode='tensor')
    return found[::2]  # the two similarities of a module have one


@pytest.mark.parametrize(
    'name, expected',
    [
        ('segformer_mit-b1_resfu_8xb2-160k_ade20k-512x512', [8, 4, 2]),
        ('segformer_mit-b1_resfu-released_8xb2-160k_ade20k-512x512', [2, 2, 2]),
        ('segmenter_vit-s_resfu_8xb1-160k_ade20k-512x512', [4]),
        ('segmenter-x4_vit-tiny_resfu_1xb8-1000i_shapes-128x128', [4]),
        ('segmenter-x8_vit-tiny_resfu_1xb8-1000i_shapes-128x128', [8]),
    ],
)
def test_dilations_follow_the_paper_and_the_released_code_where_asked(name, expected):
    assert dilations(name) == [(d, d) for d in expected]


SEGMENTER = 'segmenter_vit-s_resfu{}_8xb1-160k_ade20k-512x512'


def test_segmenter_trains_as_released():
    cfg = load(SEGMENTER.format(''))
    assert cfg.optim_wrapper.optimizer.to_dict() == dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=0.0)
    assert cfg.param_scheduler == [dict(type='PolyLR', power=0.9, eta_min=1e-4, by_epoch=False, begin=0, end=160000)]
    assert cfg.train_dataloader.batch_size * 8 == cfg.auto_scale_lr.base_batch_size == 8
    assert cfg.model.decode_head.upsample_cfg.lr_mult == 500
    head = build(SEGMENTER.format('')).decode_head
    assert head.fusion.upsampler.lr_mult == 500 and head.image_guide.out_channels == 32


def test_gradient_scaling_and_a_learning_rate_of_its_own_are_one_training():
    """Three steps of SGD with momentum, with either of the two configs."""
    results = []
    for kind in ('', '-paramwise'):
        cfg = load(SEGMENTER.format(kind))
        torch.manual_seed(0)
        head = build(SEGMENTER.format(kind), in_channels=8, channels=8, num_classes=3).decode_head.double()
        wrapper = build_optim_wrapper(head, cfg.optim_wrapper)
        start = {key: value.clone() for key, value in head.state_dict().items()}
        maps = [torch.randn(1, 8, 4, 3, dtype=torch.float64), torch.randn(1, 3, 64, 48, dtype=torch.float64)]
        for _ in range(3):
            wrapper.update_params(head(maps).square().mean())
        results.append({key: value - start[key] for key, value in head.state_dict().items()})
    for key, moved in results[0].items():
        torch.testing.assert_close(moved, results[1][key], rtol=1e-9, atol=1e-12, msg=key)
    assert max(moved.abs().max() for key, moved in results[0].items() if '_scores' in key) > 0


def test_under_adam_gradient_scaling_does_nothing():
    results = []
    for mult in (1, 500):
        torch.manual_seed(0)
        layer = (
            build('segformer_mit-b1_resfu_8xb2-160k_ade20k-512x512', upsample_cfg=dict(type='ReSFU', lr_mult=mult))
            .decode_head.fusions[0]
            .double()
        )
        optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3, eps=1e-30)
        pair = torch.randn(1, 256, 2, 2, dtype=torch.float64), torch.randn(1, 256, 8, 8, dtype=torch.float64)
        for _ in range(2):
            optimizer.zero_grad()
            layer(*pair)[0].square().mean().backward()
            optimizer.step()
        results.append(layer.state_dict())
    for key, value in results[0].items():
        if not key.endswith('_scores.norm.bias'):  # cancels in the difference: its gradient is rounding alone
            torch.testing.assert_close(value, results[1][key], rtol=1e-6, atol=1e-7, msg=key)


# ---------------------------------------------------------------- depth


def write_nyu(root):
    """Two pictures with depth in millimetres, in NYU's layout and size."""
    cv2 = pytest.importorskip('cv2')
    rng = np.random.default_rng(0)
    for split in ('train', 'test'):
        for kind, suffix in (('images', 'jpg'), ('annotations', 'png')):
            folder = root / kind / split
            folder.mkdir(parents=True)
            for number in (1, 2):
                picture = (
                    rng.integers(0, 255, (480, 640, 3), dtype=np.uint8)
                    if kind == 'images'
                    else rng.integers(500, 9000, (480, 640), dtype=np.uint16)
                )
                cv2.imwrite(str(folder / f'bedroom_{number:04d}.{suffix}'), picture)


def loader(cfg, split, root):
    options = cfg[split].copy()
    options.update(num_workers=0, persistent_workers=False, batch_size=1)
    options.dataset.data_root = str(root)
    return Runner.build_dataloader(options, seed=0)


@pytest.mark.parametrize('name', DEPTH)
def test_depth_trains_and_is_evaluated_on_the_files_of_nyu(name, tmp_path):
    write_nyu(tmp_path)
    cfg = load(name)
    model = build(name)
    batch = next(iter(loader(cfg, 'train_dataloader', tmp_path)))
    assert batch['inputs'][0].shape == (3, 480, 480)
    truth = batch['data_samples'][0].gt_depth_map.data
    assert truth.shape == (1, 480, 480) and 0.4 < truth.min() and truth.max() < 9.1  # metres
    small = dict(inputs=[batch['inputs'][0][:, :96, :128]], data_samples=batch['data_samples'])
    small['data_samples'][0].set_data(dict(gt_depth_map=PixelData(data=truth[:, :96, :128])))
    small = model.data_preprocessor(small, training=False)
    small['inputs'] = small['inputs'][:, :, :96, :128].repeat(2, 1, 1, 1)
    small['data_samples'] = small['data_samples'] * 2
    losses = model.loss(small['inputs'], small['data_samples'])
    losses['decode.loss_silog'].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.decode_head.parameters())

    metric = METRICS.build(cfg.val_evaluator)
    metric.dataset_meta = {}
    for sample in loader(cfg, 'val_dataloader', tmp_path):
        sample = sample['data_samples'][0]
        sample.pred_depth_map = PixelData(data=1.1 * sample.gt_depth_map.data)
        metric.process({}, [sample.to_dict()])
    found = metric.evaluate(size=2)
    assert found['abs_rel'] == pytest.approx(0.1, abs=1e-3) and found['d1'] == 1


@pytest.mark.parametrize('name', DEPTH)
def test_depth_predicts(name):
    model = build(name).eval()
    sample = SegDataSample(metainfo=dict(ori_shape=(96, 128), img_shape=(96, 128), pad_shape=(96, 128)))
    with torch.no_grad():
        (result,) = model.predict(torch.randn(1, 3, 96, 128), [sample])
    depth = result.pred_depth_map.data
    assert depth.shape == (1, 96, 128) and 0 < depth.min() and depth.max() < 10
