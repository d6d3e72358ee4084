"""The robustness command and its two changes of an image, on models whose answers are known."""

import csv
import json
import sys
from argparse import ArgumentParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmengine', reason='the tool runs on mmengine')

from mmengine.dataset import BaseDataset  # noqa: E402
from mmengine.evaluator import BaseMetric  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from mmengine.model import BaseModel  # noqa: E402
from mmengine.registry import DATASETS, METRICS, MODELS, TRANSFORMS  # noqa: E402
from mmengine.structures import BaseDataElement, PixelData  # noqa: E402

from freqfusion_mm.apis.robustness import Candidate, labels  # noqa: E402
from freqfusion_mm.cli.main import main  # noqa: E402
from freqfusion_mm.cli.robustness import add_arguments  # noqa: E402
from freqfusion_mm.evaluation.analysis.image_changes import Corruption, Shift, corruption_names  # noqa: E402
from freqfusion_mm.evaluation.analysis.robustness_report import Results  # noqa: E402
from freqfusion_mm.visualization.robustness import plot  # noqa: E402

IMAGES = 4


@pytest.fixture
def library():
    return pytest.importorskip('imagecorruptions', reason='the corruptions are those of imagecorruptions')


@pytest.fixture(scope='module')
def image():
    """BGR; smooth, so that a blur leaves something."""
    small = np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8)
    return cv2.resize(small, (54, 48), interpolation=cv2.INTER_CUBIC)


def test_a_shift_moves_the_window_and_reflects_the_edge():
    image = np.arange(12).reshape(3, 4, 1).repeat(3, axis=2)
    out = Shift(1, 2)({'img': image})['img']
    assert out.shape == image.shape
    np.testing.assert_array_equal(out[..., 0], [[6, 7, 6, 5], [10, 11, 10, 9], [6, 7, 6, 5]])


def test_agreement_compares_what_both_windows_see():
    still = np.random.default_rng(0).integers(0, 9, (7, 8))
    moved = np.full_like(still, 99)  # what the reflection shows must not count
    moved[:5, :7] = still[2:, 1:]
    assert Shift(2, 1).agreement(still, moved) == 1
    moved[0, 0] += 1
    assert Shift(2, 1).agreement(still, moved) == pytest.approx(1 - 1 / 35)
    assert Shift(2, 1).agreement(np.array([3]), np.array([4])) == 0


@pytest.mark.parametrize('arguments, message', [((-1, 0), 'must not be negative'), ((0, 54), 'smaller than the image')])
def test_wrong_shifts(image, arguments, message):
    with pytest.raises(ValueError, match=message):
        Shift(*arguments)({'img': image})


def test_the_same_image_is_corrupted_the_same(library, image):
    """In any order, whatever the global generator does, which is left alone."""
    names = corruption_names()
    assert len(names) == 15
    np.random.seed(1)
    first = {name: Corruption(name, 3).corrupt(image) for name in names}
    np.random.seed(2)
    after = np.random.get_state()[1].copy()
    for name in reversed(names):
        corruption = Corruption(name, 3)
        corruption.corrupt(255 - image)
        again = corruption.corrupt(image)
        np.testing.assert_array_equal(again, first[name], err_msg=name)
        assert again.shape == image.shape and again.dtype == np.uint8 and (again != image).any()
    assert (np.random.get_state()[1] == after).all()


def test_every_image_name_and_severity_has_its_own_numbers(library, image, monkeypatch):
    seeds = []
    monkeypatch.setattr(Corruption, '_compute', lambda self, pixels, seed: seeds.append(seed) or pixels)
    blank = np.zeros((40, 60, 3), np.uint8)
    for name, severity in (('gaussian_noise', 1), ('gaussian_noise', 2), ('shot_noise', 2)):
        for each in (image, image[::-1], blank, blank.reshape(60, 40, 3)):
            Corruption(name, severity).corrupt(each)
    assert len(set(seeds)) == len(seeds) == 12


def test_the_corruption_sees_rgb_and_keeps_the_dtype(library, image):
    ours = Corruption('jpeg_compression', 5).corrupt(image.astype(np.float32))
    theirs = library.corrupt(np.ascontiguousarray(image[..., ::-1]), 5, 'jpeg_compression')[..., ::-1]
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(ours, theirs)


def test_a_corrupted_image_is_computed_once_and_is_nobodys(library, image, monkeypatch):
    corruption = Corruption('gaussian_noise', 1)
    computed = []
    compute = corruption._compute
    monkeypatch.setattr(corruption, '_compute', lambda *args: computed.append(1) or compute(*args))
    kept = corruption.corrupt(image).copy()
    corruption({'img': image.copy()})['img'][:] = 0  # a later step of the pipeline writes into it
    np.testing.assert_array_equal(corruption.corrupt(image), kept)
    assert len(computed) == 1
    monkeypatch.setattr('freqfusion_mm.evaluation.analysis.image_changes.KEPT', 0)
    corruption._corrupted.clear()
    for _ in range(2):
        np.testing.assert_array_equal(corruption.corrupt(image), kept)
    assert len(computed) == 3


def test_names_and_groups(library):
    assert corruption_names(['noise', 'fog', 'noise']) == ['gaussian_noise', 'shot_noise', 'impulse_noise', 'fog']
    assert len(corruption_names(['all'])) == 19
    with pytest.raises(ValueError, match="unknown corruption 'rain': choose from gaussian_noise"):
        corruption_names(['rain'])
    with pytest.raises(ValueError, match='severity must be an integer from 1 to 5, got 6'):
        Corruption('fog', 6)
    with pytest.raises(ValueError, match=r'at least 32x32 pixels, got shape \(31, 40, 3\)'):
        Corruption('fog', 1).corrupt(np.zeros((31, 40, 3), np.uint8))
    with pytest.raises(ValueError, match='values from 0 to 255'):
        Corruption('fog', 1).corrupt(np.full((32, 32, 3), -1.0))


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'imagecorruptions', None)
    with pytest.raises(ImportError, match='pip install imagecorruptions-imaug'):
        corruption_names()


class Brightness(BaseModel):
    """Labels bright pixels, or with `stripes` every second column whatever the image shows; or the whole image."""

    def __init__(self, whole: bool = False, stripes: bool = False) -> None:
        super().__init__()
        self.whole = whole
        self.stripes = stripes

    def forward(self, inputs, data_samples, mode):
        for image, sample in zip(inputs, data_samples):
            bright = (image.float().mean(dim=0) > 127).long()
            if self.stripes:
                bright = (torch.arange(image.shape[-1]) % 2).expand(image.shape[-2:])
            if self.whole:
                sample.set_field(bright.float().mean().round().long()[None], 'pred_label')
            else:
                sample.set_field(PixelData(data=bright[None]), 'pred_sem_seg')
        return data_samples


class LabelledImages(BaseDataset):
    """mmengine's own, which no registry has by name."""


class PackWithLabel:
    """The label of an image is in its name: 0-1.png."""

    def __call__(self, results):
        label = torch.tensor([int(Path(results['img_path']).stem[-1])])
        return dict(
            inputs=torch.from_numpy(results['img'].transpose(2, 0, 1).copy()),
            data_samples=BaseDataElement(gt_label=label),
        )


class ShareOfRight(BaseMetric):
    default_prefix = 'accuracy'

    def process(self, data_batch, data_samples):
        self.results += [float(sample['gt_label'] == sample['pred_label']) for sample in data_samples]

    def compute_metrics(self, results):
        return dict(top1=100 * float(np.mean(results)))


CLASSIFICATION = """
default_scope = 'mmengine'
test_dataloader = dict(batch_size=3, dataset=dict(
    type='LabelledImages', data_root={root!r}, ann_file='labels.json', data_prefix=dict(img_path='img'),
    pipeline=[dict(type='mmcv.LoadImageFromFile'), dict(type='PackWithLabel')]))
test_evaluator = dict(type='ShareOfRight')
model = dict(type='Brightness', whole=True)
"""
SEGMENTATION = """
default_scope = 'mmseg'
test_dataloader = dict(batch_size=3, dataset=dict(
    type='BaseSegDataset', data_root={root!r}, metainfo=dict(classes=('dark', 'bright')),
    data_prefix=dict(img_path='img', seg_map_path='sem'), img_suffix='.png', seg_map_suffix='.png',
    pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]))
test_evaluator = dict(type='IoUMetric', iou_metrics=['mIoU'])
model = dict(type='Brightness', stripes={stripes})
"""


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    """Images of two tones, with labels that `Brightness` gets all right."""
    work = tmp_path_factory.mktemp('robustness')
    (work / 'data' / 'img').mkdir(parents=True)
    (work / 'data' / 'sem').mkdir()
    numbers = np.random.default_rng(0)
    names = []
    for i in range(IMAGES):
        tones = cv2.resize(numbers.integers(0, 2, (5, 5), np.uint8), (40, 48), interpolation=cv2.INTER_NEAREST)
        names.append(f'{i}-{round(tones.mean())}.png')
        cv2.imwrite(str(work / 'data/img' / names[-1]), (tones * 130 + 60)[..., None].repeat(3, axis=2))
        cv2.imwrite(str(work / 'data/sem' / names[-1]), tones)
    (work / 'data/labels.json').write_text(
        json.dumps(dict(metainfo={}, data_list=[dict(img_path=name) for name in names]))
    )
    root = str(work / 'data')
    (work / 'classifier.py').write_text(CLASSIFICATION.format(root=root))
    (work / 'segmentor.py').write_text(SEGMENTATION.format(root=root, stripes=False))
    (work / 'striped.py').write_text(SEGMENTATION.format(root=root, stripes=True))
    torch.save(dict(state_dict={}), work / 'weights.pth')
    return work


@pytest.fixture
def tool(work, monkeypatch):
    """tool('segmentor', ..., options): runs the command on models of these names; returns the numbers by key."""
    monkeypatch.chdir(work)
    for registry, cls in (
        (MODELS, Brightness),
        (DATASETS, LabelledImages),
        (TRANSFORMS, PackWithLabel),
        (METRICS, ShareOfRight),
    ):
        registry.register_module(module=cls, force=True)
    logger = MMLogger.get_current_instance()
    level = logger.level

    def run(*names, options=''):
        models = [word for name in names for word in ('--model', f'{name}.py', 'weights.pth')]
        assert main(['robustness', *models, '--out', 'out', *options.split()]) == 0
        with open('out/robustness.csv') as file:
            return {(row['model'], row['name'], row['strength']): float(row['percent']) for row in csv.DictReader(file)}

    yield run
    logger.setLevel(level)


def test_a_pixelwise_segmentor_is_shift_consistent_and_a_striped_one_is_not(tool):
    pytest.importorskip('mmseg')
    found = tool('segmentor', 'striped', options='--corruptions --shifts 1 2 5')
    assert found['segmentor', '', ''] == 100
    assert [found['segmentor', 'diagonal', distance] for distance in '125'] == [100, 100, 100]
    assert [found['striped', 'diagonal', distance] for distance in '125'] == [0, 100, 0]
    summary = json.loads(Path('out/summary.json').read_text())
    assert summary['segmentor'] == {'mIoU': 100, 'shift consistency': 100}
    assert summary['striped']['shift consistency'] == 33.33
    table = Path('out/robustness.md').read_text()
    assert '| 1 | 100.00 | 0.00 |\n| 2 | 100.00 | 100.00 |\n| 5 | 100.00 | 0.00 |' in table  # a row for each distance
    assert cv2.imread('out/robustness.png').std() > 0


def test_a_shift_that_is_too_far_is_said_before_the_work(tool, library, monkeypatch):
    monkeypatch.setattr(Candidate, 'score', lambda *_: pytest.fail('hours of work'))
    with pytest.raises(SystemExit, match='no image can be used; .* want at least 41x41'):
        tool('classifier', options='--corruptions --shifts 1 40')


def test_the_farthest_shift_leaves_one_pixel(tool):
    pytest.importorskip('mmseg')
    assert tool('segmentor', options='--corruptions --shifts 39')['segmentor', 'diagonal', '39'] == 100


def test_the_dotted_line_is_that_of_clean_images(monkeypatch, tmp_path):
    results = Results(['a'], 'mIoU')
    results.values = {
        ('a', 'clean', '', 0): 80.0,
        ('a', 'corruption', 'fog', 1): 50.0,
        ('a', 'corruption', 'fog', 3): 30.0,
    }
    figures = []
    monkeypatch.setattr(
        'freqfusion_mm.visualization.robustness.save_figure', lambda figure, *_, **__: figures.append(figure)
    )
    plot(results, tmp_path / 'out.png')
    marks, clean = figures[0].axes[0].lines
    assert list(marks.get_ydata()) == [40] and set(clean.get_ydata()) == {80}


def test_what_is_measured_unless_something_is_said():
    parser = ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(['--model', 'a.py', 'a.pth'])
    assert (arguments.severities, list(arguments.shifts)) == ([1, 3, 5], [1, 2, 3, 4, 5, 6, 7, 8])


def test_what_is_done_stays_when_it_is_interrupted(tool, library, monkeypatch):
    score = Candidate.score

    def interrupted(self, corruption=None):
        if corruption is not None and corruption.name == 'fog':
            raise KeyboardInterrupt
        return score(self, corruption)

    monkeypatch.setattr(Candidate, 'score', interrupted)
    Path('out/robustness.csv').unlink(missing_ok=True)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        tool('classifier', options='--corruptions brightness fog --severities 5 --shifts')
    with open('out/robustness.csv') as file:
        assert [row['name'] for row in csv.DictReader(file)] == ['', 'brightness']


def test_many_classes_fit_in_a_label():
    sample = BaseDataElement(pred_label=torch.tensor([999]))
    assert labels(sample).tolist() == [999]


def test_corruptions_of_a_segmentor(tool, library):
    pytest.importorskip('mmseg')
    options = '--corruptions noise brightness --severities 1 5 --shifts'
    found = tool('segmentor', 'striped', options=options)
    assert found['segmentor', 'gaussian_noise', '1'] > found['segmentor', 'gaussian_noise', '5']
    assert found['segmentor', 'gaussian_noise', '5'] < 95
    striped = {value for (model, *_), value in found.items() if model == 'striped'}
    assert len(striped) == 1  # it never looks at the image
    values = [value for (model, name, _), value in found.items() if model == 'segmentor' and name]
    summary = json.loads(Path('out/summary.json').read_text())['segmentor']
    assert len(values) == 8 and summary['corrupted mIoU'] == pytest.approx(np.mean(values), abs=0.01)
    table = Path('out/robustness.md').read_text()
    mean = (found['segmentor', 'brightness', '1'] + found['segmentor', 'brightness', '5']) / 2
    assert f'| brightness | {mean:.2f} |' in table and 'mean of the severities 1, 5' in table
    assert cv2.imread('out/corruptions.png').std() > 0
    assert tool('segmentor', options=options).items() < found.items()  # alone, it gets the same images


def test_a_classifier(tool, library):
    found = tool('classifier', options='--corruptions brightness --severities 5 --shifts 1')
    assert found['classifier', '', ''] == 100 and found['classifier', 'diagonal', '1'] == 100
    assert found['classifier', 'brightness', '5'] < 100  # every pixel of it is bright
    assert set(json.loads(Path('out/summary.json').read_text())['classifier']) == {
        'top-1',
        'corrupted top-1',
        'shift consistency',
    }


@pytest.mark.parametrize(
    'names, options, message',
    [
        (['classifier'], '--corruptions rain', "unknown corruption 'rain'"),
        (['classifier'] * 2, '--corruptions --shifts 1', 'give each a --title'),
        (['classifier'], '--corruptions --shifts 0', 'want positive numbers'),
        (['classifier', 'segmentor'], '--corruptions --shifts 1', 'all models must have one metric'),
    ],
)
def test_errors_are_one_line(tool, names, options, message):
    pytest.importorskip('mmseg')
    if '--corruptions rain' in options:
        pytest.importorskip('imagecorruptions', reason='it knows the names')
    with pytest.raises(SystemExit, match=message):
        tool(*names, options=options)
