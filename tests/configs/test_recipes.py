"""The baselines of the published tables train as the frameworks' own configs of those models do."""

from pathlib import Path

import pytest

pytest.importorskip('mmseg')
pytest.importorskip('mmdet')

from mmengine.config import Config  # noqa: E402

from freqfusion_mm.apis.config import load_config  # noqa: E402
from freqfusion_mm.apis.zoo.walk import configs  # noqa: E402

#: ours -> that of the framework.
STOCK = {
    'segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512': 'segformer_mit-b1_8xb2-160k_ade20k-512x512',
    'segnext_mscan-t_bilinear_1xb16-160k_ade20k-512x512': 'segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512',
    'mask2former_r50_bilinear_8xb2-160k_ade20k-512x512': 'mask2former_r50_8xb2-160k_ade20k-512x512',
    'mask2former_r50_bilinear_8xb2-90k_cityscapes-512x1024': 'mask2former_r50_8xb2-90k_cityscapes-512x1024',
    'upernet_r50_bilinear_4xb4-80k_ade20k-512x512': 'upernet_r50_4xb4-80k_ade20k-512x512',
    'upernet_r101_bilinear_4xb4-80k_ade20k-512x512': 'upernet_r101_4xb4-80k_ade20k-512x512',
    'upernet_swin-t_bilinear_8xb2-160k_ade20k-512x512': (
        'swin-tiny-patch4-window7-in1k-pre_upernet_8xb2-160k_ade20k-512x512'
    ),
    'segmenter_vit-s_bilinear_8xb1-160k_ade20k-512x512': 'segmenter_vit-s_fcn_8xb1-160k_ade20k-512x512',
    'faster-rcnn_r50_nearest_1x_coco': 'faster-rcnn_r50_fpn_1x_coco',
    'mask-rcnn_r50_nearest_1x_coco': 'mask-rcnn_r50_fpn_1x_coco',
    'panoptic-fpn_r50_nearest_1x_coco': 'panoptic-fpn_r50_fpn_1x_coco',
}
#: What their images are padded to for training is the authors' of FreqFusion.
PADDED = ('faster-rcnn', 'mask-rcnn', 'panoptic-fpn')


@pytest.fixture(scope='module')
def stock():
    return {Path(file).stem: file for framework in ('mmdet', 'mmseg') for _, file in configs(framework)}


def recipe(cfg):
    """What training depends on but for the model and the data's place."""
    wrapper, pixels = cfg.optim_wrapper, cfg.model.data_preprocessor
    steps = [
        {key: value for key, value in step.items() if key != 'backend_args'}
        for step in cfg.train_dataloader.dataset.pipeline
    ]
    parts = dict(
        optimizer=wrapper.optimizer,
        clip_grad=wrapper.get('clip_grad'),
        paramwise=wrapper.get('paramwise_cfg'),
        schedule=cfg.param_scheduler,
        batch=cfg.train_dataloader.batch_size,
        length=[cfg.train_cfg.get(key) for key in ('max_iters', 'max_epochs')],
        pixels={
            key: pixels.get(key) for key in ('mean', 'std', 'bgr_to_rgb', 'size', 'seg_pad_val', 'pad_size_divisor')
        },
        # ours reads the panoptic labels of any mmdet
        steps=[step for step in steps if not step['type'].startswith('LoadPanoptic')],
    )
    return Config(parts).to_dict()


@pytest.mark.parametrize('name', STOCK)
def test_a_baseline_trains_as_the_framework_s(name, stock):
    ours, theirs = recipe(load_config(name)), recipe(Config.fromfile(stock[STOCK[name]]))
    if name.startswith(PADDED):
        assert [each['pixels'].pop('pad_size_divisor') for each in (ours, theirs)] == [64, 32]
    assert ours == theirs


@pytest.mark.parametrize(
    'name, options',
    [
        ('segnext_mscan-t_freqfusion_1xb16-160k_ade20k-512x512', dict(compress_ratio=4, hamming_window=False)),
        ('segformer_mit-b1_freqfusion_8xb2-160k_ade20k-512x512', dict(hamming_window=False)),
        (
            'mask2former_r50_freqfusion_8xb2-160k_ade20k-512x512',
            dict(compressed_channels=64, hamming_window=False, resample_norm=False),
        ),
        ('faster-rcnn_r50_freqfusion_1x_coco', {}),
        ('mask-rcnn_r50_freqfusion_1x_coco', {}),
        ('panoptic-fpn_r50_freqfusion_1x_coco', dict(resample_norm=False)),
    ],
)
def test_freqfusion_is_as_released_with_each_model(name, options):
    def found(part):
        if isinstance(part, dict):
            if 'upsample_cfg' in part:
                yield part['upsample_cfg']
            for each in part.values():
                yield from found(each)

    assert list(found(load_config(name).model.to_dict())) == [dict(options, type='FreqFusion')]
