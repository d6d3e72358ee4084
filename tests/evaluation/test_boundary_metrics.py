"""BoundaryIoU, BoundaryF1 and TrimapIoU against literal loops, on maps with known answers, and through mmengine."""

import itertools
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from boundary_loops import CLASSES, VOID, loops_bf, loops_border, loops_boundary_iou, loops_trimap

pytest.importorskip('mmengine', reason='metrics run on mmengine')

from mmengine.evaluator import Evaluator  # noqa: E402
from mmengine.structures import BaseDataElement, PixelData  # noqa: E402

from freqfusion_mm.evaluation.metrics import boundary_f1  # noqa: E402
from freqfusion_mm.evaluation.metrics.boundary_f1 import BoundaryF1  # noqa: E402
from freqfusion_mm.evaluation.metrics.boundary_iou import BoundaryIoU  # noqa: E402
from freqfusion_mm.evaluation.metrics.trimap_iou import TrimapIoU  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
META = dict(classes=('sky', 'road', 'pole', 'tree'))
METRICS = {
    'BoundaryIoU': (BoundaryIoU, ('BoundaryIoU',)),
    'BF': (BoundaryF1, ('BF',)),
    'trimap': (TrimapIoU, ('trimap/1', 'trimap/2', 'trimap/4', 'trimap/8', 'trimap/16')),
}


def grid(*rows):
    """'01.' -> [0, 1, VOID]"""
    return np.array([[VOID if letter == '.' else int(letter) for letter in row] for row in rows])


def blobs(rng, height, width, classes=CLASSES, void=0.1):
    """A map of smooth regions, some of them void."""
    noise = rng.random((classes + 1, height, width), np.float32)
    noise = np.stack([cv2.GaussianBlur(layer, (0, 0), 1.5) for layer in noise])
    noise[classes] -= 0.5 - void if void else 9
    label = noise.argmax(0)
    label[label == classes] = VOID
    return label


def as_sample(pred, true, path='image.png'):
    pred, true = (torch.as_tensor(label)[None] for label in (pred, true))
    return dict(pred_sem_seg=dict(data=pred), gt_sem_seg=dict(data=true.to(torch.uint8)), img_path=path)


def evaluate(metric, pairs):
    metric.dataset_meta = META
    metric.process({}, [as_sample(*pair) for pair in pairs])
    assert len(metric.results) == len(pairs), 'one result per image, or padding is not dropped right'
    return metric.evaluate(len(pairs))


def pairs_of(seed, void=0.1):
    """Predictions resembling their labels, of odd sizes, one of them a single row; void and one-pixel classes."""
    rng = np.random.default_rng(seed)
    pairs = []
    for height, width in ((13, 17), (9, 22), (1, 12), (16, 5)):
        true = blobs(rng, height, width, void=void)
        pred = np.where(
            rng.random((height, width)) < 0.9, np.roll(true, 1, axis=1), rng.integers(0, CLASSES, true.shape)
        )
        pred[pred == VOID] = 2
        pairs.append((pred, true))
    # Class 3 is one pixel of the label here, class 2 in neither map.
    pairs.append((grid('00011', '00011', '0..11'), grid('00.11', '03011', '00011')))
    pairs[-1][0][pairs[-1][0] == VOID] = 1
    return pairs


@pytest.mark.parametrize('void', [0, 0.1])
@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('ratio', [0.02, 0.1, 0.2])
def test_boundary_iou_equals_loops(seed, ratio, void):
    pairs = pairs_of(seed, void)
    assert evaluate(BoundaryIoU(ratio), pairs) == pytest.approx(loops_boundary_iou(pairs, ratio))


@pytest.mark.parametrize('void', [0, 0.1])
@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('tolerance', [0.0075, 0.1, 0.2])
def test_boundary_f1_equals_loops(seed, tolerance, void):
    pairs = pairs_of(seed, void)
    assert evaluate(BoundaryF1(tolerance), pairs) == pytest.approx(loops_bf(pairs, tolerance))


@pytest.mark.parametrize('void', [0, 0.1])
@pytest.mark.parametrize('seed', range(3))
def test_trimap_equals_loops(seed, void):
    pairs = pairs_of(seed, void)
    widths = (1, 2, 3, 5)
    assert evaluate(TrimapIoU(widths), pairs) == pytest.approx(loops_trimap(pairs, widths))


@pytest.mark.parametrize('cls, keys', METRICS.values(), ids=METRICS)
def test_a_perfect_prediction_has_all(cls, keys):
    """Whatever is predicted at ignored pixels."""
    rng = np.random.default_rng(0)
    labels = [blobs(rng, 21, 30), blobs(rng, 8, 11, void=0), grid('000', '010', '...')]
    pairs = [(np.where(label == VOID, rng.integers(0, CLASSES, label.shape), label), label) for label in labels]
    assert evaluate(cls(), pairs) == dict.fromkeys(keys, 100)


@pytest.mark.parametrize('cls, keys', METRICS.values(), ids=METRICS)
def test_a_shift_costs_the_more_the_farther(cls, keys):
    true = np.zeros((60, 80), int)
    true[20:40, 20:50] = 1

    def score(shift):
        return evaluate(cls(), [(np.roll(true, shift, axis=1), true)])[keys[0]]

    # d and the tolerance are 2 and 0.75 pixels here.
    assert 100 == score(0) > score(1) > score(4)


@pytest.mark.parametrize('distance', [1.5, 7, 8.06])
def test_a_distance_transform_in_the_place_of_a_large_disk(distance, monkeypatch):
    rng = np.random.default_rng(0)
    for share, size in itertools.product((0, 0.01, 0.3, 1), ((37, 50), (3, 50), (50, 1))):
        mask = rng.random(size) < share
        disk = boundary_f1.closer_than(mask, distance)
        with monkeypatch.context() as changed:
            changed.setattr(boundary_f1, 'DISK', 0)
            np.testing.assert_array_equal(boundary_f1.closer_than(mask, distance), disk)


def test_boundary_f1_forgives_less_than_its_tolerance():
    true = np.zeros((60, 80), int)
    true[20:40, 20:50] = 1
    pred = np.roll(true, 2, axis=1)
    assert evaluate(BoundaryF1(2.5 / 100), [(pred, true)]) == {'BF': 100}
    assert evaluate(BoundaryF1(1.5 / 100), [(pred, true)])['BF'] < 100


@pytest.mark.parametrize('ratio', [1, 50])
def test_a_band_wider_than_the_image_is_the_iou(ratio):
    pairs = pairs_of(5)
    intersection, union = np.zeros(CLASSES), np.zeros(CLASSES)
    for pred, true in pairs:
        for index in range(CLASSES):
            one, other = ((label == index) & (true != VOID) for label in (pred, true))
            intersection[index] += (one & other).sum()
            union[index] += (one | other).sum()
    assert evaluate(BoundaryIoU(ratio), pairs)['BoundaryIoU'] == pytest.approx(100 * np.mean(intersection / union))


def test_a_trimap_wider_than_the_image_is_the_iou():
    pairs = [pair for pair in pairs_of(5) if loops_border(pair[1])]
    wide = evaluate(BoundaryIoU(50), pairs)['BoundaryIoU']
    assert evaluate(TrimapIoU([999]), pairs) == pytest.approx({'trimap/999': wide})


def test_what_counts_as_boundary():
    """The frame of the image: band of BoundaryIoU, not of the others. Void: of none."""
    void = grid('0000000', '0000000', '000....', '000....')
    missed = np.where(void == 0, 0, 1)
    missed[0, 3] = 1
    frame = grid('1111111', '1000001', '100....', '111....') == 1
    metric = BoundaryIoU(0.02)
    metric.dataset_meta = META
    metric.process({}, [as_sample(void, void)])
    assert metric.results[0][0, 0] == frame.sum()
    assert evaluate(BoundaryIoU(0.02), [(missed, void)])['BoundaryIoU'] < 100
    # No border between classes in the label, and class 1 is predicted where none is.
    assert evaluate(BoundaryF1(), [(missed, void)]) == {'BF': 0}
    assert math.isnan(evaluate(BoundaryF1(), [(void * 0, void)])['BF'])
    assert math.isnan(evaluate(TrimapIoU(), [(missed, void)])['trimap/16'])


def test_a_contour_beside_void_is_not_held_against_the_prediction():
    true = grid('00000...11111', '00000...11111')
    pred = grid('0000000111111', '0000000111111')
    off_by_one = grid('0000111111111', '0000111111111')
    assert math.isnan(evaluate(BoundaryF1(0.2), [(pred, true)])['BF'])
    assert math.isnan(evaluate(BoundaryF1(0.2), [(off_by_one, true)])['BF'])
    far = grid('0011111111111', '0011111111111')
    assert evaluate(BoundaryF1(0.2), [(far, true)]) == {'BF': 0}
    # The true contour is too near to void to be counted, and the predicted one, farther off, is matched to it.
    true, pred = grid('.0011111111', '.0011111111'), grid('00001111111', '00001111111')
    assert evaluate(BoundaryF1(0.3), [(pred, true)]) == {'BF': 100}


def test_wide_void_erodes_nothing():
    """Beyond the box around a class, too, out of which alone it is computed."""
    true = np.full((20, 20), VOID)
    true[8:12, 7:13] = 1
    assert math.isnan(evaluate(BoundaryIoU(0.1), [(np.ones_like(true), true)])['BoundaryIoU'])  # d = 3


@pytest.mark.parametrize('kind', METRICS)
def test_an_output_beyond_the_classes_is_wrong_and_no_class(kind):
    """What each class is given is what it has where that output is a class of the data set."""
    rng = np.random.default_rng(5)
    true = blobs(rng, 40, 60, void=0.5)
    pred = blobs(rng, 40, 60, CLASSES + 1, void=0)
    assert (pred == CLASSES).any() and (pred[true == VOID] == CLASSES).any()
    metrics = [METRICS[kind][0]() for _ in range(2)]
    for metric, more in zip(metrics, ((), ('unlabelled',))):
        metric.dataset_meta = dict(classes=(*META['classes'], *more))
        metric.process({}, [as_sample(pred, true)])
    [without], [named] = (metric.results for metric in metrics)
    np.testing.assert_array_equal(without, named[..., :CLASSES])


@pytest.mark.parametrize('metric', [BoundaryIoU(), BoundaryF1(), TrimapIoU()], ids=METRICS)
def test_maps_that_do_not_fit(metric):
    good = grid('0011', '0011')
    with pytest.raises(ValueError, match=r'size \[2, 4\], the label \[2, 3\]'):
        evaluate(metric, [(good, good[:, :3])])
    with pytest.raises(ValueError, match='the prediction holds values from 0 to 5, the data set has 4 classes'):
        evaluate(metric, [(good + 4 * good, good)])
    with pytest.raises(ValueError, match='the label holds values from 0 to 11'):
        evaluate(metric, [(good, 11 * good)])
    with pytest.raises(ValueError, match=r'one label map .* got \[1, 2, 2, 4\]'):
        evaluate(metric, [(np.stack([good, good]), good)])
    with pytest.raises(ValueError, match="lacks 'gt_sem_seg'.*LoadAnnotations"):
        metric.process({}, [dict(pred_sem_seg=dict(data=torch.zeros(1, 2, 2)))])
    metric.dataset_meta = {}
    with pytest.raises(KeyError, match="wants 'classes'"):
        metric.process({}, [as_sample(good, good)])


def test_another_ignored_label():
    true = grid('001133', '001133')
    pred = grid('001112', '001112')
    assert evaluate(BoundaryF1(ignore_index=3), [(pred, true)]) == {'BF': 100}
    assert evaluate(BoundaryF1(), [(pred, true)])['BF'] < 100


@pytest.mark.parametrize(
    'build, message',
    [
        (lambda: BoundaryIoU(0), 'dilation_ratio must be positive'),
        (lambda: BoundaryF1(-1), 'tolerance must be positive'),
        (lambda: TrimapIoU([]), 'widths must be different'),
        (lambda: TrimapIoU([2, 2]), 'widths must be different'),
        (lambda: TrimapIoU(5), 'widths must be different numbers of pixels, each at least 1, got 5'),
        (lambda: TrimapIoU([0, 2]), 'each at least 1'),
    ],
)
def test_wrong_settings(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_through_mmengine_by_name():
    pytest.importorskip('mmcv', reason='registration needs the layers')
    import freqfusion_mm.registration  # noqa: F401

    pairs = pairs_of(7)
    evaluator = Evaluator([dict(type='BoundaryIoU'), dict(type='BoundaryF1'), dict(type='TrimapIoU', widths=(1, 3))])
    evaluator.dataset_meta = META
    samples = []
    for pred, true in pairs:
        sample = BaseDataElement(metainfo=dict(img_path='a.png'))
        sample.pred_sem_seg = PixelData(data=torch.as_tensor(pred)[None])
        sample.gt_sem_seg = PixelData(data=torch.as_tensor(true)[None])
        samples.append(sample)
    found = evaluator.offline_evaluate(samples, chunk_size=2)
    wanted = {**loops_boundary_iou(pairs, 0.02), **loops_bf(pairs, 0.0075), **loops_trimap(pairs, (1, 3))}
    assert found == pytest.approx(wanted)


RANK = """
import os, pickle, sys
import torch.distributed as dist
folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
metrics, samples = pickle.load(open(f'{folder}/work', 'rb'))
found = {}
for metric in metrics:
    # Five images on two ranks: the sampler repeats the first one to fill up.
    for index in ((0, 2, 4), (1, 3, 0))[rank]:
        metric.process({}, [samples[index]])
    found.update(metric.evaluate(size=5))
    assert not metric.results
# A pattern without an image is refused on both ranks: a rank that went on would wait for ever.
metric.subsets = {'none': 'c_*'}
metric.process({}, samples[2 * rank : 2 * rank + 2])
try:
    metric.evaluate(size=4)
except ValueError as error:
    found['refused'] = str(error)
with open(f'{folder}/found{rank}', 'wb') as file:
    pickle.dump(found, file)
dist.barrier()
os._exit(0)  # gloo's threads must not outlive the interpreter, and torch 2.1 may wait for ever to end them
"""


@pytest.mark.slow
def test_two_ranks_give_what_one_gives(tmp_path):
    from freqfusion_mm.evaluation.metrics.subset_metric import SubsetMetric

    samples = [as_sample(*pair, path=f'{"ab"[i % 2]}_{i}.png') for i, pair in enumerate(pairs_of(3))]
    subsets = {'odd': 'b_*', 'last': '*_4'}
    metrics = [
        BoundaryIoU(),
        BoundaryF1(),
        TrimapIoU(),
        *(SubsetMetric(cls(prefix='part'), subsets) for cls in (BoundaryIoU, BoundaryF1)),
    ]
    for metric in metrics:
        metric.dataset_meta = META
    (tmp_path / 'work').write_bytes(pickle.dumps((metrics, samples)))
    wanted = {}
    for metric in metrics:
        metric.process({}, samples)
        wanted.update(metric.evaluate(5))
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    ranks = [
        subprocess.Popen([sys.executable, '-c', RANK, str(tmp_path), str(rank)], env=environment, cwd=tmp_path)
        for rank in range(2)
    ]
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    assert {'odd/part/BF', 'last/part/BoundaryIoU', 'BF', 'trimap/8'} < set(wanted)
    for rank in range(2):
        found = pickle.loads((tmp_path / f'found{rank}').read_bytes())
        assert "no image's name matches 'c_*'" in found.pop('refused')
        assert found == wanted
