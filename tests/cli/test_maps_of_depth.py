"""Depth: what `test --out` writes is what `infer` writes, in the numbers of the data set's own files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

DEPTH = """
model.update(type='DepthEstimator', decode_head=dict(
    type='FusionDepthHead', in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3], channels=8, max_depth=5.0,
    upsample_cfg=dict(type='bilinear'), norm_cfg=dict(type='BN'), align_corners=False))
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadDepthAnnotation', depth_rescale_factor={unit}), pipeline[2]]
rooms = dict(type='NYUDataset', data_root=dataset['data_root'], pipeline=pipeline, img_suffix='.png',
             data_prefix=dict(img_path='img', depth_map_path='depth'), depth_map_suffix='.png')
val_dataloader.update(dataset=rooms)
test_evaluator = val_evaluator = dict(type='DepthMetric', max_depth_eval=10.0)
"""


def test_the_opacity_is_that_of_the_colours():
    from types import SimpleNamespace

    import torch

    from freqfusion_mm.apis.folders import FolderPredictor
    from freqfusion_mm.apis.outputs import MapWriter
    from freqfusion_mm.visualization.depth import depth_colours

    depth, pixels = torch.rand(1, 4, 5), np.full((4, 5, 3), 200, np.uint8)
    result = SimpleNamespace(pred_depth_map=SimpleNamespace(data=depth))
    for opacity, wanted in ((0.0, pixels), (1.0, depth_colours(depth[0].numpy()))):
        predictor = SimpleNamespace(task='depth', opacity=opacity, _writer=MapWriter(None))
        np.testing.assert_array_equal(FolderPredictor._pictures(predictor, result, pixels)[0]['overlay'], wanted)


@pytest.mark.slow
@pytest.mark.parametrize('unit', [1e-3, 2e-4])
def test_out_and_infer_agree(unit, world, command, shared):
    from freqfusion_mm.apis import inference, init_model

    (world.folder / 'data/depth').mkdir(parents=True)
    photo = Image.open(next(shared('data/coco_subset/images').rglob('*.jpg'))).convert('RGB').resize((90, 60))
    for name, pixels in (('kitchen_1', None), ('kitchen_2', np.asarray(photo))):
        file = world.image(f'{name}.png', pixels)
        width, height = Image.open(file).size
        Image.fromarray(np.full((height, width), 2000, np.uint16)).save(world.folder / f'data/depth/{name}.png')
    config = world.config(DEPTH.format(unit=unit))
    weights = world.weights(config)
    done = command('test', config, weights, '--work-dir', 'work', '--out', 'maps', '--show-dir', 'shown')
    assert done.status == 0 and len(list(Path('shown').glob('*.png'))) == 2, done.err
    done = command('infer', 'data/img', '--model', config, '--weights', weights, '--out', 'inferred')
    assert done.status == 0, done.err
    model = init_model(config, weights, 'cpu')
    for name in ('kitchen_1', 'kitchen_2'):
        written = np.asarray(Image.open(f'maps/{name}.png'))
        np.testing.assert_array_equal(written, np.asarray(Image.open(f'inferred/{name}_depth.png')))
        depth = inference(model, f'data/img/{name}.png').pred_depth_map.data[0].numpy()
        assert written.dtype == np.uint16 and written.shape == depth.shape
        assert np.abs(written * unit - np.clip(depth, 0, 65535 * unit)).max() <= unit / 2 + 1e-6
    done = command('side-by-side', '--model', config, weights, '--images', 0, 1, '--out', 'side.png')
    assert done.status == 0 and Path('side.png').is_file(), done.err
