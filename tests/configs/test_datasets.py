"""The data set configs: the frameworks' own classes read Shapes; the published pipelines run."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

cv2 = pytest.importorskip('cv2', reason='pictures are written with OpenCV')
pytest.importorskip('mmengine', reason='configs are read with mmengine')

from mmengine.config import Config  # noqa: E402
from mmengine.registry import HOOKS, METRICS, DefaultScope  # noqa: E402
from mmengine.runner import Runner  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
DATASETS = ROOT / 'configs' / '_base_' / 'datasets'
SHAPES = dict(semantic='mmseg', detection='mmdet', instance='mmdet', panoptic='mmdet')
PUBLISHED = dict(
    ade20k_512x512='mmseg',
    ade20k_640x640='mmseg',
    cityscapes_512x1024='mmseg',
    loveda_512x512='mmseg',
    coco_detection='mmdet',
    coco_instance='mmdet',
    coco_panoptic='mmdet',
)
HEIGHT, WIDTH, TRAIN, VAL = 61, 83, 6, 4


@pytest.fixture(scope='module')
def make_shapes():
    pytest.importorskip('pycocotools', reason='COCO masks are written with pycocotools')
    pytest.importorskip('tqdm', reason='the generator shows its progress with tqdm')
    sys.path.insert(0, str(ROOT / 'projects' / 'shapes'))
    import make_shapes

    return make_shapes


@pytest.fixture(scope='module')
def folder(make_shapes, tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'shapes'
    arguments = dict(height=HEIGHT, width=WIDTH, train=TRAIN, val=VAL, workers=1)
    words = [word for key, value in arguments.items() for word in (f'--{key}', str(value))]
    assert make_shapes.main([str(root), *words]) == 0
    return root


@pytest.fixture
def shapes(folder, monkeypatch):
    """shapes(task): the config; its data are in the small folder unless the test says otherwise."""
    monkeypatch.setenv('SHAPES_ROOT', str(folder))
    return lambda task: Config.fromfile(DATASETS / f'shapes_{task}.py')


@pytest.fixture
def scope(request):
    """The framework's scope, as a runner with this default_scope sets it."""
    pytest.importorskip(request.param, reason=f'{request.param} is not installed')
    import freqfusion_mm.registration  # noqa: F401

    with DefaultScope.overwrite_default_scope(request.param):
        yield request.param


def load(dataloader, **dataset):
    dataloader = dataloader.copy()
    dataloader.update(num_workers=0, persistent_workers=False)
    dataloader['dataset'] = {**dataloader['dataset'], **dataset}
    return Runner.build_dataloader(dataloader, seed=0)


def tasks(*names):
    values = [(name, SHAPES[name]) for name in names]
    return pytest.mark.parametrize('task, scope', values, indirect=['scope'])


def read(folder, kind, split, number):
    path = folder / kind / split / f'{number:06d}.png'
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@tasks(*SHAPES)
def test_shapes_batches(task, scope, shapes):
    cfg = shapes(task)
    for name, length in (('train_dataloader', TRAIN), ('val_dataloader', VAL)):
        loader = load(cfg[name])
        assert len(loader.dataset) == length
        batch = next(iter(loader))
        assert batch['inputs'][0].shape == (3, HEIGHT, WIDTH)
        assert batch['data_samples'][0].img_shape == (HEIGHT, WIDTH)
    assert load(cfg.test_dataloader).dataset.metainfo == loader.dataset.metainfo


@tasks(*SHAPES)
def test_class_names_are_the_generator_s(task, scope, shapes, make_shapes):
    from shapes_dataset.classes import CLASSES, PALETTE, STUFF, THINGS

    wanted = CLASSES if task in ('semantic', 'panoptic') else THINGS
    meta = load(shapes(task).val_dataloader).dataset.metainfo
    assert tuple(meta['classes']) == wanted
    assert tuple(map(tuple, meta['palette'])) == PALETTE[: len(wanted)]
    if task == 'panoptic':
        assert (meta['thing_classes'], meta['stuff_classes']) == (THINGS, STUFF)


@tasks('semantic')
def test_semantic_labels_are_the_file_s(task, scope, shapes, folder):
    dataset = load(shapes(task).val_dataloader).dataset
    for index in range(VAL):
        label = dataset[index]['data_samples'].gt_sem_seg.data[0].numpy()
        np.testing.assert_array_equal(label, read(folder, 'semantic', 'val', index + 1))


@tasks('instance', 'panoptic')
def test_masks_and_boxes_fit_the_semantic_file(task, scope, shapes, folder):
    """The masks, RLE or PNG, cover the pixels of their class, all of them, and fill their boxes."""
    dataset = load(shapes(task).val_dataloader).dataset
    for index in range(VAL):
        sample = dataset[index]['data_samples']
        semantic = read(folder, 'semantic', 'val', index + 1)
        instances = sample.gt_instances
        covered = np.zeros_like(semantic)
        for mask, label, box in zip(instances.masks.masks, instances.labels, instances.bboxes):
            mask = mask.astype(bool)
            assert (semantic[mask] == int(label)).all()
            rows, cols = np.nonzero(mask)
            assert box.tensor[0].tolist() == [cols.min(), rows.min(), cols.max() + 1, rows.max() + 1]
            covered += mask
        np.testing.assert_array_equal(covered, semantic < 8)
        if task == 'panoptic':
            np.testing.assert_array_equal(sample.gt_sem_seg.sem_seg[0].numpy(), semantic)


def evaluate(cfg, predict):
    dataset = load(cfg.val_dataloader).dataset
    metric = METRICS.build(cfg.val_evaluator)
    metric.dataset_meta = dataset.metainfo
    for index in range(len(dataset)):
        sample = dataset[index]['data_samples']
        predict(sample)
        metric.process({}, [sample.to_dict()])
    return metric.evaluate(size=len(dataset))


@tasks('semantic')
def test_the_label_as_prediction_is_perfect_semantic(task, scope, shapes):
    def predict(sample):
        sample.pred_sem_seg = sample.gt_sem_seg.clone()

    found = evaluate(shapes(task), predict)
    assert found['mIoU'] == found['aAcc'] == 100


@tasks('detection', 'instance')
def test_the_label_as_prediction_is_perfect_instance(task, scope, shapes):
    import torch
    from mmengine.structures import InstanceData

    def predict(sample):
        truth = sample.gt_instances
        sample.pred_instances = InstanceData(
            bboxes=truth.bboxes.tensor, labels=truth.labels, scores=torch.ones(len(truth))
        )
        if task == 'instance':
            sample.pred_instances.masks = torch.from_numpy(truth.masks.masks).bool()

    found = evaluate(shapes(task), predict)
    for metric in ('bbox', 'segm') if task == 'instance' else ('bbox',):
        assert found[f'coco/{metric}_mAP'] == 1


@tasks('panoptic')
def test_the_label_as_prediction_is_perfect_panoptic(task, scope, shapes):
    from mmengine.structures import PixelData

    def predict(sample):
        result = sample.gt_sem_seg.sem_seg.clone().long()
        masks = sample.gt_instances.masks.masks
        for number, (mask, label) in enumerate(zip(masks, sample.gt_instances.labels), start=1):
            result[0][mask.astype(bool)] = label + 1000 * number
        sample.pred_panoptic_seg = PixelData(sem_seg=result)

    found = evaluate(shapes(task), predict)
    for group in ('', '_th', '_st'):
        assert found[f'panoptic/PQ{group}'] == pytest.approx(100)


@pytest.mark.parametrize('scope', ['mmdet'], indirect=True)
def test_panoptic_pictures(scope, tmp_path):
    """Drawn without panopticapi, also where nothing is predicted."""
    import torch
    from mmdet.structures import DetDataSample
    from mmengine.registry import VISUALIZERS
    from mmengine.structures import PixelData

    visualizer = VISUALIZERS.build(dict(type='PanopticVisualizer', name='panoptic-test'))
    visualizer.dataset_meta = dict(classes=('cat', 'sky'), palette=[(250, 0, 0), (0, 0, 250)])
    picture, result = np.full((64, 64, 3), 90, np.uint8), torch.full((1, 64, 64), 2)
    for name in ('void', 'cat'):
        sample = DetDataSample(pred_panoptic_seg=PixelData(sem_seg=result))
        path = tmp_path / f'{name}.png'
        visualizer.add_datasample(name, picture, sample, draw_gt=False, out_file=str(path))
        drawn = cv2.imread(str(path))
        assert (drawn == picture).all() == (name == 'void')
        result = result.clone()
        result[:, :32] = 1000


@tasks('semantic', 'panoptic')
def test_a_broken_folder_stops_the_runner(task, scope, shapes, folder, tmp_path, monkeypatch):
    """Before a data set is built: the message names what is wrong and the command that helps."""
    HOOKS.build(shapes(task).custom_hooks[0])
    monkeypatch.setenv('SHAPES_ROOT', str(tmp_path / 'nowhere'))
    with pytest.raises(RuntimeError, match='no such folder.*make_shapes.py .*nowhere --overwrite'):
        HOOKS.build(shapes(task).custom_hooks[0])


def test_the_remedy_is_a_file_of_this_project(shapes):
    words = shapes('semantic').custom_hooks[0].remedy.split()
    assert (ROOT / next(word for word in words if word.endswith('.py'))).is_file()


def write_picture(path, channels, rng, top):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (64, 96) + ((3,) if channels == 3 else ())
    cv2.imwrite(str(path), rng.integers(0, top, shape, dtype=np.uint8))


def write_semantic(root, loader, rng):
    prefix = loader['dataset']['data_prefix']
    suffix = dict(
        ADE20KDataset=('.jpg', '.png', 150),
        CityscapesDataset=('_leftImg8bit.png', '_gtFine_labelTrainIds.png', 19),
        LoveDADataset=('.png', '.png', 7),
    )[loader['dataset']['type']]
    for number in range(2):
        write_picture(root / prefix['img_path'] / f'{number}{suffix[0]}', 3, rng, 255)
        write_picture(root / prefix['seg_map_path'] / f'{number}{suffix[1]}', 1, rng, suffix[2])


def write_coco(root, loader, rng):
    """Two pictures with one person on the grass each, in COCO's layout."""
    dataset = loader['dataset']
    images = [dict(id=i, file_name=f'{i}.jpg', height=64, width=96) for i in (1, 2)]
    person = dict(category_id=1, bbox=[8, 8, 40, 40], area=1600, iscrowd=0)
    categories = [dict(id=1, name='person', isthing=1)]
    polygon = [8, 8, 48, 8, 48, 48, 8, 48]
    annotations = [dict(id=i, image_id=i, segmentation=[polygon], **person) for i in (1, 2)]
    if 'seg' in dataset['data_prefix']:
        categories.append(dict(id=193, name='grass-merged', isthing=0))
        grass = dict(category_id=193, bbox=[0, 0, 96, 64], area=64 * 96 - 1600, iscrowd=0)
        segments = [dict(id=5, **person), dict(id=7, **grass)]
        annotations = [dict(image_id=i, file_name=f'{i}.png', segments_info=segments) for i in (1, 2)]
        panoptic = np.zeros((64, 96, 3), np.uint8)
        panoptic[..., 2] = 7
        panoptic[8:48, 8:48, 2] = 5
        folder = root / dataset['data_prefix']['seg']
        folder.mkdir(parents=True)
        for i in (1, 2):
            cv2.imwrite(str(folder / f'{i}.png'), panoptic)
    for i in (1, 2):
        write_picture(root / dataset['data_prefix']['img'] / f'{i}.jpg', 3, rng, 255)
    path = root / dataset['ann_file']
    path.parent.mkdir(parents=True, exist_ok=True)
    coco = dict(images=images, annotations=annotations, categories=categories)
    path.write_text(json.dumps(coco))


@pytest.mark.parametrize('name, scope', list(PUBLISHED.items()), indirect=['scope'])
def test_published_pipelines_run(name, scope, tmp_path):
    """On a fabricated folder of two small pictures; without it the remedy is named."""
    cfg = Config.fromfile(DATASETS / f'{name}.py')
    hook = {**cfg.custom_hooks[0], 'data_root': str(tmp_path)}
    with pytest.raises(RuntimeError, match='is missing'):
        HOOKS.build(dict(hook))
    rng = np.random.default_rng(0)
    for split in ('train_dataloader', 'val_dataloader'):
        (write_semantic if scope == 'mmseg' else write_coco)(tmp_path, cfg[split], rng)
    HOOKS.build(dict(hook))
    for split in ('train_dataloader', 'val_dataloader'):
        batch = next(iter(load(cfg[split], data_root=str(tmp_path))))
        sample, image = batch['data_samples'][0], batch['inputs'][0]
        if scope == 'mmseg':
            assert len(batch['inputs']) == cfg[split].batch_size
            if split == 'train_dataloader':
                # A picture smaller than the crop is padded later, by the data preprocessor.
                assert all(a <= b for a, b in zip(image.shape[1:], cfg.crop_size))
            assert sample.gt_sem_seg.data.shape[-2:] == (image.shape[1:] if split == 'train_dataloader' else (64, 96))
        else:
            assert image.shape[1:] == (800, 1200)  # 64x96, short side 800, ratio kept
            assert sample.gt_instances.labels.tolist() == [0]
            if name == 'coco_panoptic':
                # mmdet numbers the categories that the annotation holds: here two of the 133.
                assert sample.gt_sem_seg.sem_seg.unique().tolist() == [0, 1]
