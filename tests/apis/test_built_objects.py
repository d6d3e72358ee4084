"""What a config means is asked of what it builds: own data sets and loaders, wrappers, prefixes, several evaluators."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

cv2 = pytest.importorskip('cv2')
pytest.importorskip('mmseg')

from freqfusion_mm.apis import inference, init_model, load_config  # noqa: E402
from freqfusion_mm.apis.channels import channels_taken  # noqa: E402
from freqfusion_mm.apis.classes import class_meta  # noqa: E402
from freqfusion_mm.apis.data import build_dataset, dataset_configs, innermost  # noqa: E402
from freqfusion_mm.apis.folders import FolderPredictor  # noqa: E402
from freqfusion_mm.apis.pictures import DataSetReader  # noqa: E402
from freqfusion_mm.apis.robustness import Candidate  # noqa: E402

OWN = """
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS, TRANSFORMS

@TRANSFORMS.register_module(force=True)
class ReadBands(BaseTransform):
    def transform(self, results):
        bands = np.load(results['img_path'])
        results.update(img=bands, img_shape=bands.shape[:2], ori_shape=bands.shape[:2])
        return results

@DATASETS.register_module(force=True)
class Bands(BaseSegDataset):
    METAINFO = dict(classes=('a', 'b'), palette=[[1, 2, 3], [4, 5, 6]])

    def __init__(self, data_root, **kwargs):
        super().__init__(data_root=data_root, img_suffix='.npy', data_prefix=dict(img_path='img', seg_map_path='sem'),
                         pipeline=[dict(type='ReadBands'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
                         **kwargs)
"""
USED = """
custom_imports = dict(imports=['own_bands'])
model['data_preprocessor'].update(mean=[0.0], std=[1.0], bgr_to_rgb=False)
model['backbone'].update(in_channels=5)
for loader in (train_dataloader, val_dataloader, test_dataloader):
    loader['dataset'] = dict(type='Bands', data_root=dataset['data_root'])
"""


@pytest.fixture
def bands(world, monkeypatch):
    """A config whose data set brings its own pipeline and classes, of arrays with five channels."""
    (world.folder / 'own_bands.py').write_text(OWN)
    monkeypatch.syspath_prepend(world.folder)
    for number, name in enumerate(('one', 'two')):
        world.image(f'{name}.png').unlink()
        array = np.random.default_rng(number).normal(size=(48, 72, 5)).astype(np.float32)
        np.save(world.folder / f'data/img/{name}.npy', array)
    yield world.config(USED)
    sys.modules.pop('own_bands', None)


def test_a_data_set_with_its_own_pipeline_and_loader(bands):
    model = init_model(bands, device='cpu')
    assert model.dataset_meta['palette'] == [[1, 2, 3], [4, 5, 6]] and channels_taken(model) == {5}
    report = FolderPredictor(model).run(['data/img'], 'out')  # the suffix is the data set's
    assert len(report.lines) == 2 and not report.failures
    array = np.load('data/img/one.npy')
    wanted = inference(model, array).pred_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(np.asarray(Image.open('out/one_labels.png')), wanted)
    np.save('data/img/three.npy', array[..., :3])
    (failure,) = FolderPredictor(model).run(['data/img'], 'out').failures
    assert 'three.npy cannot be used: it has 3 channels as the pipeline reads it, the model takes 5' in failure


@pytest.mark.slow
def test_the_same_data_set_in_the_commands(bands, world):
    from freqfusion_mm.cli.main import main

    weights = world.weights(bands)
    for arguments in (
        ('test', bands, weights, '--work-dir', 'work', '--out', 'maps', '--show-dir', 'shown'),
        ('infer', 'data/img', '--model', bands, '--weights', weights, '--out', 'inferred'),
        ('side-by-side', '--model', bands, weights, '--images', 0, 1, '--out', 'side.png'),
    ):
        assert main([str(argument) for argument in arguments]) == 0, arguments
    for name in ('one', 'two'):
        maps = [np.asarray(Image.open(file)) for file in (f'maps/{name}.png', f'inferred/{name}_labels.png')]
        np.testing.assert_array_equal(*maps)


EVALUATORS = {
    'one behind a prefix': "test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'], prefix='val')",
    'the second of two': "test_evaluator = [dict(type='IoUMetric', iou_metrics=['mFscore'], prefix='f'),"
    " dict(type='IoUMetric', iou_metrics=['mIoU'], prefix='i')]",
    'with a scope': "test_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])",
}


@pytest.mark.parametrize('which', EVALUATORS)
def test_the_metric_is_found(which, world):
    world.image('one.png')
    weights = world.weights(world.config())
    plain = Candidate('plain', str(world.config()), str(weights), device='cpu').score()
    found = Candidate('other', str(world.config(EVALUATORS[which], 'other.py')), str(weights), device='cpu').score()
    assert found == plain and plain[0] == 'mIoU'


LAZY_COCO = """
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoDataset, ConcatDataset
from mmdet.datasets.transforms import LoadAnnotations, PackDetInputs, Resize
from mmengine.dataset import RepeatDataset

default_scope = 'mmdet'
pipeline = [dict(type=LoadImageFromFile), dict(type=LoadAnnotations, with_bbox=True, with_mask=True),
            dict(type=Resize, scale=(100, 80), keep_ratio=False), dict(type=PackDetInputs)]
parts = [dict(type=CocoDataset, data_root={root!r}, ann_file=f'annotations/instances_{{part}}2017.json', indices=3,
              data_prefix=dict(img=f'images/{{part}}2017/'), test_mode=True, pipeline=pipeline)
         for part in ('train', 'val')]
test_dataloader = dict(dataset=dict(type=RepeatDataset, times=2, dataset=dict(type=ConcatDataset, datasets=parts)))
"""


def test_photographs_behind_wrappers_of_a_lazy_config(shared, tmp_path):
    """COCO: pixels of the file, boxes of the JSON, whatever the pipeline does to both afterwards."""
    pytest.importorskip('mmdet')
    root = shared('data/coco_subset')
    (tmp_path / 'lazy.py').write_text(LAZY_COCO.format(root=str(root)))
    cfg = load_config(tmp_path / 'lazy.py')
    meta = class_meta(cfg)
    assert len(meta['classes']) == len(meta['palette']) == 80 and meta['classes'][0] == 'person'
    assert len(list(dataset_configs(cfg.test_dataloader))) == 4
    dataset = build_dataset(cfg)
    assert len(dataset) == 12 and [len(leaf) for leaf in innermost(dataset)] == [3, 3]
    reader = DataSetReader(dataset)
    assert len(reader.paths) == 6
    for number in (0, 4):
        sample = dataset[number]['data_samples']
        np.testing.assert_array_equal(reader(sample), cv2.imread(sample.img_path))
        part = Path(sample.img_path).parent.name
        content = json.loads((root / f'annotations/instances_{part}.json').read_text())
        (image,) = (each for each in content['images'] if each['file_name'] == Path(sample.img_path).name)
        wanted = [each['bbox'] for each in content['annotations'] if each['image_id'] == image['id']]
        shown = reader.with_truth(sample)
        boxes = shown.gt_instances.bboxes.clone()
        boxes[:, 2:] -= boxes[:, :2]
        kept = {tuple(round(value) for value in box) for box in boxes.tolist()}
        assert kept and kept <= {tuple(round(value) for value in box) for box in wanted}
        assert shown.gt_instances.masks.masks.shape[1:] == (image['height'], image['width'])
        assert sample.gt_instances.masks.masks.shape[1:] == (80, 100)  # what the network was given is as before


def test_a_config_without_a_test_data_set_says_so(world):
    photo = world.image('one.png')
    model = init_model(world.config('del test_dataloader'), device='cpu')
    with pytest.raises(ValueError, match='no test_dataloader with a data set and its pipeline'):
        inference(model, photo)
