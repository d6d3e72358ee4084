"""Bad files among good ones: each is named, the rest is read, in every kind of run."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip('mmseg')

from mmengine.dataset import DefaultSampler  # noqa: E402

from freqfusion_mm.apis import load_config  # noqa: E402
from freqfusion_mm.apis.channels import channels_taken  # noqa: E402
from freqfusion_mm.apis.checked_pipeline import IN_A_ROW, CheckedPipeline, check_reading  # noqa: E402
from freqfusion_mm.apis.classes import LearnedLabels, learned_labels  # noqa: E402
from freqfusion_mm.apis.data import build_dataset, check_data  # noqa: E402
from freqfusion_mm.apis.errors import UnreadableImage, WrongLabels  # noqa: E402
from freqfusion_mm.apis.folders import FolderPredictor  # noqa: E402
from freqfusion_mm.apis.model import init_model  # noqa: E402
from freqfusion_mm.apis.pixels import check_image  # noqa: E402
from freqfusion_mm.apis.unreadable import (  # noqa: E402
    FILE,
    ReadableLoader,
    _StillChecked,
    skip_unreadable_in_training,
    steps_together,
    summary,
)
from freqfusion_mm.compat import label_maps  # noqa: E402

ROOT = Path(__file__).parents[2]


def cut(file):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def save(pixels):
    return lambda world: Image.fromarray(pixels).save(world.folder / 'data/sem/bad.png')


#: What is wrong, and what is said of it.
WRONG = {
    'a label map is missing': (
        lambda world: (world.folder / 'data/sem/bad.png').unlink(),
        'sem/bad.png cannot be read',
    ),
    'a label map is cut off': (lambda world: cut(world.folder / 'data/sem/bad.png'), 'sem/bad.png cannot be read'),
    'a label map of another size': (save(np.zeros((30, 31), np.uint8)), 'the map has 30x31 pixels, its image 48x72'),
    'a label map in colours': (save(np.zeros((48, 72, 3), np.uint8)), 'sem/bad.png holds 3 channels'),
    'an image is missing': (lambda world: (world.folder / 'data/img/bad.png').unlink(), 'img/bad.png cannot be read'),
    'an image is cut off': (lambda world: cut(world.folder / 'data/img/bad.png'), 'img/bad.png cannot be read'),
    'another number of channels': (
        lambda world: world.image('bad.png', np.zeros((48, 72, 4), np.uint8)),
        'it has 4 channels as the pipeline reads it, the model takes 1 or 3',
    ),
}
UNCHANGED = "pipeline[0].update(color_type='unchanged')"


def described(world, changes=''):
    """The data set, which has listed its files, of two good samples and one that will be bad."""
    for name in ('bad', 'one', 'two'):
        world.image(f'{name}.png')
    cfg = load_config(world.config(UNCHANGED + changes))
    dataset = build_dataset(cfg)
    dataset.full_init()
    return cfg, dataset


@pytest.mark.parametrize('wrong', WRONG)
def test_a_test_leaves_it_out_by_name(wrong, world):
    cfg, dataset = described(world)
    spoil, said = WRONG[wrong]
    spoil(world)
    loader = torch.utils.data.DataLoader(dataset, batch_size=2, collate_fn=list)
    loader = ReadableLoader(loader, channels_taken(init_model(cfg, device='cpu')))
    batches = list(loader)
    assert [Path(sample['data_samples'].img_path).stem for batch in batches for sample in batch] == ['one', 'two']
    assert len(loader.failures) == 1 and said in loader.failures[0] and 'bad.png' in loader.failures[0]


@pytest.mark.parametrize('wrong', WRONG)
def test_a_training_takes_another_one(wrong, world):
    cfg, _ = described(world)
    dataset = build_dataset(cfg, 'train_dataloader')
    dataset.full_init()
    spoil, said = WRONG[wrong]
    spoil(world)
    check_reading(dataset, channels_taken(init_model(cfg, device='cpu')), world.folder / 'report.txt')
    taken = [Path(dataset[index]['data_samples'].img_path).stem for index in range(3)]
    assert taken[1:] == ['one', 'two'] and taken[0] in taken[1:]
    lines = set(Path('report.txt').read_text().splitlines())
    assert len(lines) == 1 and said in lines.pop()


def test_a_label_that_the_model_cannot_learn_ends_a_training(world):
    """What the framework says of it is an index out of bounds in the loss, and on a GPU not even that."""
    cfg, _ = described(world)
    dataset = build_dataset(cfg, 'train_dataloader')
    model = init_model(cfg, device='cpu')
    labels = learned_labels(model)
    assert labels == (model.decode_head.num_classes, 255)
    check_reading(dataset, report=world.folder / 'report.txt', labels=labels)
    pixels = np.full((48, 72), 255, np.uint8)  # what is left out is no label
    for number in (0, labels.outputs - 1):
        pixels[0, 0] = number
        save(pixels)(world)
        assert Path(dataset[0]['data_samples'].img_path).stem == 'bad'
    pixels[3, 4:6] = labels.outputs, 254
    save(pixels)(world)
    wanted = rf'sem/bad.png has the labels {labels.outputs}, 254 after .* 0 to {labels.outputs - 1} and leaves out 255'
    with pytest.raises(WrongLabels, match=wanted):
        dataset[0]
    loader = torch.utils.data.DataLoader(dataset, num_workers=1, collate_fn=list)
    with pytest.raises(WrongLabels, match=f'^[^ ]*{wanted}'):  # without the worker's stack
        list(loader)


def test_a_sigmoid_of_one_output_learns_two_labels():
    head = torch.nn.Module()
    head.num_classes, head.out_channels, head.ignore_index = 1, 1, 7
    model = torch.nn.Module()
    model.decode_head = head
    assert learned_labels(model) == (2, 7)


def test_inside_wrappers_and_concatenations(world):
    """The bad one is in the second data set, whose pipeline is another one."""
    for name in ('bad', 'one'):
        world.image(f'{name}.png')
    cfg = load_config(
        world.config(
            'small = dict(dataset, pipeline=[pipeline[0], dict(type="Resize", scale=(36, 24)), *pipeline[1:]])\n'
            'again = dict(type="RepeatDataset", times=2, dataset=small)\n'
            'both = dict(type="ConcatDataset", datasets=[dataset, again])\n'
            'test_dataloader.update(dataset=both)'
        )
    )
    dataset = build_dataset(cfg)
    dataset.full_init()
    (world.folder / 'data/sem/bad.png').unlink()
    loader = ReadableLoader(torch.utils.data.DataLoader(dataset, batch_size=6, collate_fn=list))
    sizes = [tuple(sample['inputs'].shape[1:]) for batch in loader for sample in batch]
    assert sizes == [(48, 72), (24, 36), (24, 36)] and len(loader.failures) == 3


TWO = """
import sys
import torch
from mmengine.dataset import DefaultSampler, pseudo_collate
from freqfusion_mm.apis.config import load_config
from freqfusion_mm.apis.data import build_dataset
from freqfusion_mm.apis.errors import UnreadableImage
from freqfusion_mm.apis.unreadable import ReadableLoader

rank = int(sys.argv[1])
torch.distributed.init_process_group('gloo', init_method=f'file://{sys.argv[2]}', rank=rank, world_size=2)
dataset = build_dataset(load_config('config.py'))
sampler = DefaultSampler(dataset, shuffle=False)
loader = ReadableLoader(torch.utils.data.DataLoader(dataset, sampler=sampler, collate_fn=pseudo_collate))
try:
    print(sum(1 for _ in loader), len(loader.failures), all('bad' in failure for failure in loader.failures))
except UnreadableImage as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize('bad, said', [('bad1', ['2 1 True', '1 1 True']), ('bad1 bad2 bad3 bad4', ['no image'] * 2)])
def test_each_of_two_processes_knows_what_the_other_could_not_read(world, bad, said):
    """Of the second one's two images one is bad: the first says so. And where nothing can be read, none waits."""
    names = ['bad2', 'bad1', 'bad3', 'bad4']
    for name in names:
        path = world.image(f'{names.index(name)}-{name}.png')
        if name in bad.split():
            cut(path)
    world.config()
    children = [
        subprocess.Popen(
            [sys.executable, '-c', TWO, str(rank), str(world.folder / 'meet')],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
        )
        for rank in range(2)
    ]
    lines = [child.communicate(timeout=300)[0].splitlines()[-1] for child in children]
    assert all(line.startswith(wanted) for line, wanted in zip(lines, said)), lines


class Numbers:
    """A data set of its places, of which one cannot be read."""

    def __len__(self):
        return 9

    def __getitem__(self, index):
        if index == 2:
            raise UnreadableImage('number 2')
        return index


@pytest.mark.parametrize('together, seen', [(False, 8), (True, 9)])
def test_no_image_counts_twice_in_two_processes(together, seen):
    """mmengine repeats one of nine for two processes, and cuts the repetition off the end: here another one is missing.

    Where the processes must run the model equally often (FSDP), it stays.
    """
    found, lengths = [], []
    for rank in range(2):
        sampler = DefaultSampler(Numbers(), shuffle=False)
        sampler.rank, sampler.world_size, sampler.num_samples, sampler.total_size = rank, 2, 5, 10
        loader = torch.utils.data.DataLoader(Numbers(), sampler=sampler, collate_fn=list)
        loader = ReadableLoader(loader, together=together)
        lengths.append(len(loader))
        found += [number for batch in loader for number in batch]
    assert lengths == [5, 5 if together else 4] and len(found) == seen
    assert set(found) == set(range(9)) - {2}


def test_whose_processes_run_a_model_equally_often():
    whole = torch.nn.Linear(1, 1)
    sharded = type('MMFullyShardedDataParallel', (torch.nn.Linear,), {})(1, 1)
    later = dict(strategy=dict(type='FSDPStrategy'))  # a FlexibleRunner's model is its config until it trains
    for model, cfg, together in ((sharded, {}, True), (whole, {}, False), ({}, later, True), ({}, {}, False)):
        assert steps_together(SimpleNamespace(model=model, cfg=cfg)) == together


def test_a_loader_keeps_its_way_of_starting_workers():
    options = dict(num_workers=1, multiprocessing_context='spawn', generator=torch.Generator(), collate_fn=list)
    loader = torch.utils.data.DataLoader(Numbers(), **options)
    kept = ReadableLoader(loader)._loader
    assert kept.multiprocessing_context is loader.multiprocessing_context and kept.generator is options['generator']


def test_a_number_that_others_ignore_is_one_that_the_model_cannot_learn():
    numbers = torch.tensor([0, 1, 255])
    objects, pixels = SimpleNamespace(labels=numbers), SimpleNamespace(data=numbers)
    for labels, sample in (
        (LearnedLabels(2, None), SimpleNamespace(gt_instances=objects)),
        (LearnedLabels(2, 0), SimpleNamespace(gt_sem_seg=pixels)),
    ):
        pipeline = CheckedPipeline([lambda data: data], None, None, labels)
        with pytest.raises(WrongLabels, match='a.jpg has the label 255 after its pipeline; the model learns 0 to 1'):
            pipeline(dict(img=None, img_path='a.jpg', data_samples=sample))
    kept = CheckedPipeline([lambda data: data], None, None, LearnedLabels(2, 255))
    kept(dict(img=None, img_path='a.jpg', data_samples=SimpleNamespace(gt_sem_seg=pixels)))


def test_a_map_is_of_the_image_as_it_was_or_as_it_is():
    """A data set may keep its labels at the size that images are brought to."""

    class ReadsAnnotations:
        def __call__(self, data):
            return {**data, 'gt_seg_map': np.zeros(data['size'], np.uint8)}

    pipeline = CheckedPipeline([ReadsAnnotations()], None, None)
    read = dict(img_path='a.jpg', seg_map_path='a.png', img=None, img_shape=(4, 6), ori_shape=(8, 12))
    for size in ((4, 6), (8, 12)):
        assert pipeline({**read, 'size': size})['gt_seg_map'].shape == size
    with pytest.raises(UnreadableImage, match='a.png cannot be used: the map has 4x12 pixels, its image 8x12'):
        pipeline({**read, 'size': (4, 12)})


def test_a_file_that_is_read_twice_is_said_once():
    assert summary(['a.jpg is empty', 'b.jpg', 'a.jpg is empty']) == '2 images left out: a.jpg is empty; b.jpg'
    assert summary(['a.jpg'] * 3) == '1 image left out: a.jpg'


def test_a_bug_in_a_step_is_none_of_a_file(world):
    _, dataset = described(world)
    check_reading(dataset)
    dataset.pipeline.transforms.append(lambda data: data['nothing of that name'])
    with pytest.raises(KeyError, match='nothing of that name'):
        dataset[1]


def test_photographs(world, shared):
    """Real ones: whole, cut off, with zeros in the place of its end, grey, and none at all."""
    photos = sorted(shared('data/coco_subset/images').rglob('*.jpg'))[:4]
    folder = world.folder / 'photos'
    folder.mkdir()
    for name, photo in zip(('whole', 'cut', 'zeros', 'grey'), photos):
        with Image.open(photo) as image:
            image.convert('L' if name == 'grey' else 'RGB').reduce(4).save(folder / f'{name}.jpg')
    cut(folder / 'cut.jpg')
    content = (folder / 'zeros.jpg').read_bytes()
    (folder / 'zeros.jpg').write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    (folder / 'page.jpg').write_text('<html>404</html>')
    predictor = FolderPredictor(init_model(world.config(), device='cpu'))
    report = predictor.run([folder], 'out')
    assert sorted(file.name for file in Path('out').glob('*_labels.png')) == ['grey_labels.png', 'whole_labels.png']
    assert len(report.lines) == 2 and len(report.failures) == 3
    for name, failure in zip(('cut', 'page', 'zeros'), sorted(report.failures)):
        assert f'{name}.jpg cannot be read' in failure


def test_zeros_behind_a_whole_photograph_are_harmless(shared, tmp_path):
    photo = next(shared('data/coco_subset/images').rglob('*.jpg'))
    (tmp_path / 'a.jpg').write_bytes(photo.read_bytes() + bytes(500))
    check_image(str(tmp_path / 'a.jpg'))
    (tmp_path / 'b.jpg').write_bytes(photo.read_bytes()[:-3000] + bytes(3000))
    with pytest.raises(UnreadableImage, match='b.jpg cannot be read'):
        check_image(str(tmp_path / 'b.jpg'))


def test_depth_maps(world):
    (world.folder / 'data/depth').mkdir(parents=True)
    for name in ('kitchen_1', 'kitchen_2'):
        world.image(f'{name}.png')
        numbers = np.random.default_rng(0).integers(1, 4000, (48, 72)).astype(np.uint16)
        Image.fromarray(numbers).save(world.folder / f'data/depth/{name}.png')
    cfg = load_config(
        world.config(
            "pipeline = [pipeline[0], dict(type='LoadDepthAnnotation', depth_rescale_factor=1e-3), pipeline[2]]\n"
            "test_dataloader = dict(dataset=dict(type='NYUDataset', data_root=dataset['data_root'], pipeline=pipeline,"
            " data_prefix=dict(img_path='img', depth_map_path='depth'), img_suffix='.png', depth_map_suffix='.png'))"
        )
    )
    dataset = build_dataset(cfg)
    check_reading(dataset)
    cut(world.folder / 'data/depth/kitchen_2.png')
    assert dataset[0]['data_samples'].gt_depth_map.shape == (48, 72)
    with pytest.raises(UnreadableImage, match=r'depth/kitchen_2\.png cannot be read'):
        dataset[1]


def test_panoptic_maps_that_only_the_metric_reads(shared, tmp_path):
    pytest.importorskip('mmdet')
    root = shared('data/coco_subset')
    (tmp_path / 'png').mkdir()
    files = sorted((root / 'panoptic_val2017').iterdir())[:3]
    for file in files:
        shutil.copy(file, tmp_path / 'png')
    files[1] = tmp_path / 'png' / files[1].name
    cfg = load_config(write(tmp_path, root))
    dataset = build_dataset(cfg)
    places = {Path(dataset.get_data_info(i)['seg_map_path']).name: i for i in range(len(dataset))}
    cut(files[1])
    check_reading(dataset)
    assert dataset[places[files[0].name]]['data_samples'].segments_info
    for name, said in ((files[1].name, 'cannot be read'), (sorted(places)[5], 'there is no such file')):
        with pytest.raises(UnreadableImage, match=f'{name} .*{said}'):
            dataset[places[name]]


COCO = """
default_scope = 'mmdet'
test_dataloader = dict(dataset=dict(
    type='CocoPanopticDataset', data_root={root!r}, ann_file='annotations/panoptic_val2017.json',
    data_prefix=dict(img='images/val2017/', seg={png!r}), test_mode=True, pipeline=[
        dict(type='LoadImageFromFile'), dict(type='Resize', scale=(64, 64)),
        dict(type='PackDetInputs', meta_keys=('img_path', 'seg_map_path', 'segments_info'))]))
"""


def write(folder, root):
    (folder / 'panoptic.py').write_text(COCO.format(root=str(root), png=str(folder / 'png') + '/'))
    return folder / 'panoptic.py'


def test_an_annotation_file_that_is_cut_off_is_named(shared, tmp_path):
    root = shared('data/coco_subset')
    (tmp_path / 'png').mkdir()
    content = (root / 'annotations/panoptic_val2017.json').read_bytes()
    (tmp_path / 'cut.json').write_bytes(content[:-5000])
    cfg = load_config(write(tmp_path, root))
    check_data(cfg, 'test_dataloader')
    cfg.test_dataloader.dataset.ann_file = str(tmp_path / 'cut.json')
    with pytest.raises(ValueError, match=r'ann_file .*cut\.json, which is no whole JSON'):
        check_data(cfg, 'test_dataloader')


@pytest.mark.parametrize('suffix', ['.npy', '.tif', '.bin'])
def test_an_array_may_end_with_zeros(tmp_path, suffix):
    path = tmp_path / f'a{suffix}'
    array = np.ones((9, 8, 16), np.float32)
    array[-2:] = 0
    with open(path, 'wb') as file:
        np.save(file, array)
    check_image(str(path))
    path.write_bytes(bytes(5000))
    with pytest.raises(UnreadableImage, match='it is no image'):
        check_image(str(path))


def test_a_step_that_wants_another_sample_leaves_no_image_out(tmp_path):
    class FilterAnnotations:
        def __call__(self, data):
            return None

    report = tmp_path / 'report.txt'
    assert CheckedPipeline([FilterAnnotations()], None, report)(dict(img_path='a.jpg', img=None)) is None
    assert not report.exists()


def test_a_training_set_without_a_good_sample_ends_with_the_reason(world):
    """mmengine would draw a thousand samples and say that it found none."""
    _, dataset = described(world)
    for name in ('bad', 'one', 'two'):
        (world.folder / f'data/sem/{name}.png').unlink()
    dataset.test_mode = False  # takes others
    check_reading(dataset, report=world.folder / 'report.txt')
    wanted = f'^{IN_A_ROW} samples one after another cannot be used; the last: .*sem/.* cannot be read'
    with pytest.raises(UnreadableImage, match=wanted):
        dataset[0]
    check_reading(dataset, report=world.folder / 'report.txt')
    with pytest.raises(UnreadableImage, match=wanted):  # without the worker's stack
        list(torch.utils.data.DataLoader(dataset, num_workers=1, collate_fn=list))

    def read(data):
        with open(data['img_path'], 'rb') as file:
            return dict(img=file.read())

    pipeline = CheckedPipeline([read], None, world.folder / 'report.txt')
    for _ in range(2):  # one that can be used is between them
        assert all(pipeline(dict(img_path='gone.png')) is None for _ in range(IN_A_ROW - 1))
        assert pipeline(dict(img_path='data/img/one.png'))


def test_a_spawned_worker_reads_label_maps_as_the_others(monkeypatch):
    from mmseg.datasets.transforms import LoadAnnotations

    content = pickle.dumps(CheckedPipeline([], None, None))
    monkeypatch.setattr(LoadAnnotations, '_load_seg_map', 'as it came')
    assert pickle.loads(content).transforms == []
    assert LoadAnnotations._load_seg_map is label_maps._load_seg_map


class _Eager:
    """mmengine 0.10.7's endless iterator, whose workers start with it."""

    def __init__(self, loader):
        self.read_by = loader.dataset.pipeline
        self.others = loader._iterator


@pytest.mark.parametrize('resumed', [False, True])
def test_what_a_loop_has_started_already_is_forgotten_and_a_report_is_kept_for_a_resumption(resumed, tmp_path):
    dataset = SimpleNamespace(pipeline=SimpleNamespace(transforms=[str]))
    loader = SimpleNamespace(dataset=dataset, _iterator='workers')
    loop = SimpleNamespace(dataloader=loader, dataloader_iterator=_Eager(loader))
    runner = SimpleNamespace(
        work_dir=tmp_path,
        _resume=resumed,
        model=torch.nn.Module(),
        train_dataloader=loader,
        train_loop=loop,
        val_loop=None,
        register_hook=lambda hook: None,
    )
    (tmp_path / FILE).write_text('one of before')
    assert skip_unreadable_in_training(runner).exists() == resumed
    assert isinstance(loop.dataloader_iterator.read_by, CheckedPipeline) and loop.dataloader_iterator.others is None


def test_a_pipeline_that_is_exchanged_in_the_middle_is_checked_too(world):
    """As by mmdet's PipelineSwitchHook, in the last epochs of RTMDet and YOLOX."""
    hooks = pytest.importorskip('mmdet.engine.hooks')
    _, dataset = described(world)
    check_reading(dataset)
    loader = SimpleNamespace(dataset=dataset, _dataset=None, _iterator=None)
    runner = SimpleNamespace(
        train_dataloader=loader,
        train_loop=SimpleNamespace(dataloader=loader),
        epoch=0,
        logger=SimpleNamespace(info=print),
    )
    steps = dataset.pipeline.transforms
    still = _StillChecked(None, None, None)
    still.before_train_epoch(runner)
    assert dataset.pipeline.transforms is steps  # as long as nobody exchanged it
    hooks.PipelineSwitchHook(0, []).before_train_epoch(runner)
    assert not isinstance(dataset.pipeline, CheckedPipeline)
    dataset.pipeline.transforms = list(steps)
    still.before_train_epoch(runner)
    with pytest.raises(UnreadableImage, match='cannot be read'):
        dataset.pipeline(dict(img_path=str(world.folder / 'gone.png')))


def test_a_slice_of_a_data_set_is_checked(world):
    """`num_batch_per_epoch`, of mmengine's loaders."""
    from mmengine.runner.runner import _SlicedDataset

    _, dataset = described(world)
    check_reading(_SlicedDataset(dataset, 2))
    assert isinstance(dataset.pipeline, CheckedPipeline)


def test_a_name_that_no_encoding_has_stands_in_the_report(tmp_path):
    name = os.fsdecode(b'b\xe4d.png')
    (tmp_path / name).write_bytes(b'')
    report = tmp_path / FILE
    assert CheckedPipeline([lambda data: data], None, report)(dict(img_path=str(tmp_path / name))) is None
    assert 'b\\udce4d.png' in report.read_text(encoding='utf-8')
