"""Panoptic quality: through its metric, on labels written by hand."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmcv', reason='labels are read with mmcv')

from freqfusion_mm.evaluation.metrics.panoptic_quality import INSTANCE_OFFSET, PanopticQuality  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
CAT, DOG, GRASS, SKY = range(4)
META = dict(classes=('cat', 'dog', 'grass', 'sky'), thing_classes=('cat', 'dog'))


def write_label(path, ids):
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
    cv2.imwrite(str(path), rgb[..., ::-1])
    return str(path)


def make_sample(path, true, segments, pred):
    """What mmengine hands to a metric: ``segments`` is {id: (class, is_thing)}."""
    infos = [dict(id=i, category=c, is_thing=t) for i, (c, t) in segments.items()]
    return dict(
        seg_map_path=write_label(path, np.array(true)),
        segments_info=infos,
        pred_panoptic_seg=dict(sem_seg=torch.tensor([pred])),
    )


@pytest.fixture
def samples(tmp_path):
    void = len(META['classes'])
    first = make_sample(
        tmp_path / 'a.png',
        true=[[70000, 70000, 70000, 70000, 9, 9, 9, 9]],
        segments={70000: (CAT, True), 9: (GRASS, False)},
        # A cat with 3 of its 4 pixels, one void pixel, and the grass.
        pred=[[CAT + INSTANCE_OFFSET] * 3 + [void] + [GRASS] * 4],
    )
    second = make_sample(
        tmp_path / 'b.png',
        true=[[3, 3, 3, 3, 8, 8, 8, 8]],
        segments={3: (CAT, True), 8: (DOG, False)},  # a crowd of dogs
        # A dog where the cat is; a dog, forgiven, on the crowd.
        pred=[[DOG + INSTANCE_OFFSET] * 4 + [DOG + 2 * INSTANCE_OFFSET] * 4],
    )
    return [first, second]


def make_metric(**kwargs):
    metric = PanopticQuality(**kwargs)
    metric.dataset_meta = META
    return metric


def test_metric_by_hand(samples):
    metric = make_metric(classwise=True)
    for sample in samples:
        metric.process({}, [sample])
    found = metric.evaluate(size=2)
    # cat: one match of IoU 3/4 and one miss; dog: one false positive; grass: perfect; sky: unseen.
    wanted = {
        'PQ/cat': 50.0,
        'SQ/cat': 75.0,
        'RQ/cat': 100 / 1.5,
        'PQ/dog': 0.0,
        'SQ/dog': 0.0,
        'RQ/dog': 0.0,
        'PQ/grass': 100.0,
        'SQ/grass': 100.0,
        'RQ/grass': 100.0,
        'PQ/sky': np.nan,
        'SQ/sky': np.nan,
        'RQ/sky': np.nan,
        'PQ': 50.0,
        'SQ': 175 / 3,
        'RQ': (100 / 1.5 + 100) / 3,
        'PQ_th': 25.0,
        'SQ_th': 37.5,
        'RQ_th': 50 / 1.5,
        'PQ_st': 100.0,
        'SQ_st': 100.0,
        'RQ_st': 100.0,
    }
    wanted = {f'panoptic/{key}': value for key, value in wanted.items()}
    assert found == pytest.approx(wanted, rel=1e-9, nan_ok=True)


def test_nothing_predicted(tmp_path):
    metric = make_metric()
    void = len(META['classes'])
    sample = make_sample(tmp_path / 'a.png', [[7, 7]], {7: (CAT, True)}, [[void, void]])
    metric.process({}, [sample])
    found = metric.evaluate(size=1)
    assert found['panoptic/PQ'] == found['panoptic/PQ_th'] == 0
    assert np.isnan(found['panoptic/PQ_st'])


def test_what_the_model_ignores_is_void(tmp_path):
    metric = make_metric(classwise=True)
    segments = {7: (CAT, True), 9: (GRASS, False)}
    sample = make_sample(tmp_path / 'a.png', [[7, 7, 7, 9]], segments, [[CAT + INSTANCE_OFFSET] * 3 + [255]])
    sample['pred_panoptic_seg']['ignore_index'] = 255
    metric.process({}, [sample])
    found = metric.evaluate(size=1)
    assert (found['panoptic/PQ/cat'], found['panoptic/PQ/grass']) == (100, 0)


def test_what_is_missing_is_named(samples, tmp_path):
    metric = make_metric()
    sample = dict(samples[0])
    del sample['segments_info']
    with pytest.raises(KeyError, match="lacks 'segments_info'.*meta_keys"):
        metric.process({}, [sample])
    with pytest.raises(RuntimeError, match='missing; check data_root'):
        metric.process({}, [dict(samples[0], seg_map_path=str(tmp_path / 'none.png'))])
    (tmp_path / 'a.png').write_bytes(b'half a picture')
    with pytest.raises(RuntimeError, match='is not an image'):
        metric.process({}, [samples[0]])
    strange = dict(samples[1], pred_panoptic_seg=dict(sem_seg=torch.full((1, 1, 8), 17)))
    with pytest.raises(ValueError, match='class 17, the data set has 4'):
        metric.process({}, [strange])
    metric.dataset_meta = dict(classes=META['classes'])
    with pytest.raises(KeyError, match="wants 'thing_classes'"):
        metric.process({}, [samples[1]])


def test_a_label_of_other_segments_is_refused_by_name(tmp_path):
    perfect = dict(pred=[[CAT + INSTANCE_OFFSET, GRASS]])
    metric = make_metric()
    message = r"'.*a\.png' holds none of the 2 segments that the JSON lists for it, such as 9; it holds \[3, 4\]"
    with pytest.raises(ValueError, match=message):
        sample = make_sample(tmp_path / 'a.png', [[3, 4]], {70000: (CAT, True), 9: (GRASS, False)}, **perfect)
        metric.process({}, [sample])
    with pytest.raises(ValueError, match=r'holds none of the 1 segments'):  # all black
        metric.process({}, [make_sample(tmp_path / 'b.png', [[0, 0]], {70000: (CAT, True)}, **perfect)])
    # No segment is listed, none is there: nothing to be right or wrong about.
    metric.process({}, [make_sample(tmp_path / 'c.png', [[0, 0]], {}, [[4, 4]])])
    assert np.isnan(metric.evaluate(size=1)['panoptic/PQ'])


def test_a_listed_segment_without_a_pixel_is_missed(tmp_path):
    pred = [[CAT + INSTANCE_OFFSET] * 2 + [GRASS] * 2]
    segments = {3: (CAT, True), 4: (GRASS, False), 5: (DOG, True), 6: (SKY, False)}
    metric = make_metric(classwise=True)
    metric.process({}, [make_sample(tmp_path / 'a.png', [[3, 3, 4, 4]], segments, pred)])
    found = metric.evaluate(size=1)
    assert [found[f'panoptic/PQ/{name}'] for name in META['classes']] == [100, 0, 100, 0]


def test_of_an_id_listed_twice_the_last_entry_counts(tmp_path):
    sample = make_sample(
        tmp_path / 'a.png', [[3, 3, 4, 4]], {4: (GRASS, False)}, [[DOG + INSTANCE_OFFSET] * 2 + [GRASS] * 2]
    )
    sample['segments_info'] += [dict(id=3, category=CAT, is_thing=True), dict(id=3, category=DOG, is_thing=True)]
    metric = make_metric(classwise=True)
    metric.process({}, [sample])
    found = metric.evaluate(size=1)
    assert found['panoptic/PQ/dog'] == found['panoptic/PQ/grass'] == found['panoptic/PQ'] == 100


def test_classes_in_another_order_than_the_labels_are_refused(tmp_path):
    sample = make_sample(
        tmp_path / 'a.png', [[3, 4]], {3: (CAT, True), 4: (GRASS, False)}, [[CAT + INSTANCE_OFFSET, GRASS]]
    )
    metric = make_metric()
    metric.dataset_meta = dict(META, classes=('grass', 'sky', 'cat', 'dog'))
    with pytest.raises(ValueError, match=r"segment 3 of class 0 is a thing, but .* 'grass', is none of thing_classes"):
        metric.process({}, [sample])


def test_thing_classes_that_the_data_set_leaves_out(samples):
    metric = make_metric()
    metric.dataset_meta = dict(META, thing_classes=('cat', 'dog', 'zebra'))
    metric.process({}, samples)
    assert metric.evaluate(size=2)['panoptic/PQ_th'] == 25


RANK = """
import json, os, pickle, sys
import torch.distributed as dist
from freqfusion_mm.evaluation.metrics.panoptic_quality import PanopticQuality
folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group('gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2)
metric = PanopticQuality()
samples, metric.dataset_meta = pickle.load(open(f'{folder}/samples', 'rb'))
# Three images on two ranks: the sampler repeats the first one to fill up.
for index in ((0, 2), (1, 0))[rank]:
    metric.process({}, [samples[index]])
found = metric.evaluate(size=3)
with open(f'{folder}/found{rank}', 'w') as file:
    json.dump(found, file)
dist.barrier()
os._exit(0)  # gloo's threads must not outlive the interpreter, and torch 2.1 may wait for ever to end them
"""


@pytest.mark.slow
def test_two_ranks_give_what_one_gives(samples, tmp_path):
    samples = [*samples, make_sample(tmp_path / 'c.png', [[4, 4]], {4: (SKY, False)}, [[SKY, CAT]])]
    metric = make_metric()
    metric.process({}, samples)
    wanted = metric.evaluate(size=3)
    (tmp_path / 'samples').write_bytes(pickle.dumps((samples, META)))
    command = [sys.executable, '-c', RANK, str(tmp_path)]
    environment = dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    ranks = [subprocess.Popen([*command, str(rank)], env=environment) for rank in range(2)]
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    for rank in range(2):
        assert json.loads((tmp_path / f'found{rank}').read_text()) == pytest.approx(wanted)
