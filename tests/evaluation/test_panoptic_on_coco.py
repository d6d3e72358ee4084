"""Panoptic quality on real labels against the definition, written as loops over pairs of masks."""

import json

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmdet', reason="the data set is mmdetection's")

from mmdet.datasets import CocoPanopticDataset  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.evaluation.metrics.panoptic_quality import INSTANCE_OFFSET, PanopticQuality  # noqa: E402

ORDERS = {'as in the JSON': slice(None), 'reversed': slice(None, None, -1)}


def literal_quality(images):
    """Kirillov et al., equations 1 and 2, class by class, from boolean masks.

    `images` holds for each image the void mask, the true segments (mask, class, is a crowd) and the predicted ones
    (mask, class).
    """
    sums = {}
    for void, true, pred in images:
        matched_true, matched_pred = set(), set()
        for t, (true_mask, true_class, crowd) in enumerate(true):
            for p, (pred_mask, pred_class) in enumerate(pred):
                if crowd or true_class != pred_class:
                    continue
                intersection = np.count_nonzero(true_mask & pred_mask)
                union = np.count_nonzero(true_mask | (pred_mask & ~void))
                if intersection / union > 0.5:
                    assert t not in matched_true and p not in matched_pred  # the paper's theorem
                    matched_true.add(t)
                    matched_pred.add(p)
                    entry = sums.setdefault(true_class, [0.0, 0, 0, 0])
                    entry[0] += intersection / union
                    entry[1] += 1
        for t, (_, true_class, crowd) in enumerate(true):
            if t not in matched_true and not crowd:
                sums.setdefault(true_class, [0.0, 0, 0, 0])[3] += 1
        for p, (pred_mask, pred_class) in enumerate(pred):
            if p in matched_pred:
                continue
            ignored = void.copy()
            for true_mask, true_class, crowd in true:
                if crowd and true_class == pred_class:
                    ignored |= true_mask
            if np.count_nonzero(pred_mask & ignored) / np.count_nonzero(pred_mask) <= 0.5:
                sums.setdefault(pred_class, [0.0, 0, 0, 0])[2] += 1
    return sums


def perturbed(ids, segments, rng, classes):
    """A prediction as a network makes them, from the label: (mask, class name) of each segment, disjoint."""
    segments = [(ids == s['id'], s['name']) for s in segments]
    shift = rng.integers(-25, 26, 2)
    segments = [(np.roll(mask, shift, (0, 1)), name) for mask, name in segments]  # all of them moved a little
    kept, last = [], {}
    for mask, name in segments:
        fate = rng.random()
        if fate < 0.1:
            continue  # dropped: its pixels are void
        if fate < 0.25 and name in last:
            kept[last[name]] = kept[last[name]][0] | mask, name  # merged with one of its class
            continue
        if fate < 0.35:
            name = classes[rng.integers(len(classes))]
        if fate > 0.9:  # split in the middle
            half = mask & (np.cumsum(mask).reshape(mask.shape) * 2 > mask.sum())
            kept.append((half, name))
            mask = mask & ~half
        last[name] = len(kept)
        kept.append((mask, name))
    return [(mask, name) for mask, name in kept if mask.any()]


@pytest.mark.parametrize('order', ORDERS)
def test_equals_the_definition_on_coco(shared, order):
    root = shared('data/coco_subset')
    dataset = CocoPanopticDataset(
        data_root=str(root),
        ann_file='annotations/panoptic_val2017.json',
        data_prefix=dict(img='images/val2017/', seg='panoptic_val2017/'),
        test_mode=True,
        pipeline=[],
        metainfo={key: CocoPanopticDataset.METAINFO[key][ORDERS[order]] for key in ('classes', 'palette')},
    )
    content = json.loads((root / 'annotations/panoptic_val2017.json').read_text())
    names = {category['id']: category['name'] for category in content['categories']}
    things = {category['name'] for category in content['categories'] if category['isthing']}
    by_image = {annotation['image_id']: annotation for annotation in content['annotations']}
    # The label of a class is where its category stands in the JSON: what a network is trained to answer.
    labels = {category['name']: i for i, category in enumerate(content['categories'])}
    assert len(labels) == 133

    metric = PanopticQuality(classwise=True)
    metric.dataset_meta = dataset.metainfo
    rng, images, crowds = np.random.default_rng(0), [], 0
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        annotation = by_image[info['img_id']]
        png = cv2.imread(str(root / 'panoptic_val2017' / annotation['file_name'])).astype(int)
        ids = png[..., 2] + 256 * png[..., 1] + 256**2 * png[..., 0]
        segments = [dict(s, name=names[s['category_id']]) for s in annotation['segments_info']]
        crowds += sum(s['iscrowd'] for s in segments)
        pred = perturbed(ids, segments, rng, list(labels))
        answer = np.full(ids.shape, len(labels))
        for number, (mask, name) in enumerate(pred):
            answer[mask] = labels[name] + INSTANCE_OFFSET * (number + 1)
        sample = dict(info, pred_panoptic_seg=dict(sem_seg=torch.from_numpy(answer)[None]))
        metric.process({}, [sample])
        images.append((ids == 0, [(ids == s['id'], s['name'], s['iscrowd']) for s in segments], pred))
    assert crowds >= 4

    sums = literal_quality(images)
    total = np.sum(list(sums.values()), axis=0)
    assert total.min() > 40, total  # matches, false positives and misses all occur
    quality = {}
    for name, (iou, matches, false_positives, misses) in sums.items():
        weight = matches + false_positives / 2 + misses / 2
        if weight:
            sq = iou / matches if matches else 0.0
            quality[name] = 100 * iou / weight, 100 * sq, 100 * matches / weight
    found = metric.evaluate(size=len(dataset))
    for i, key in enumerate(('PQ', 'SQ', 'RQ')):
        for name in labels:
            value = found[f'panoptic/{key}/{name}']
            assert value == pytest.approx(quality[name][i], rel=1e-9) if name in quality else np.isnan(value), name
        for suffix, members in (('', set(quality)), ('_th', things & set(quality)), ('_st', set(quality) - things)):
            wanted = np.mean([quality[name][i] for name in members])
            assert found[f'panoptic/{key}{suffix}'] == pytest.approx(wanted, rel=1e-9)


def test_a_perfect_prediction_is_perfect(shared):
    """All labels of the subset predicted as they are, crowds as void: 100 in everything."""
    root = shared('data/coco_subset')
    dataset = CocoPanopticDataset(
        data_root=str(root),
        ann_file='annotations/panoptic_train2017.json',
        data_prefix=dict(img='images/train2017/', seg='panoptic_train2017/'),
        test_mode=True,
        pipeline=[],
    )
    metric = PanopticQuality()
    metric.dataset_meta = dataset.metainfo
    things = [name in dataset.metainfo['thing_classes'] for name in dataset.metainfo['classes']]
    for index in range(20):
        info = dataset.get_data_info(index)
        png = cv2.imread(info['seg_map_path']).astype(int)
        ids = png[..., 2] + 256 * png[..., 1] + 256**2 * png[..., 0]
        answer = np.full(ids.shape, 133)
        for number, segment in enumerate(info['segments_info']):
            if segment['is_thing'] or not things[segment['category']]:
                answer[ids == segment['id']] = segment['category'] + INSTANCE_OFFSET * number
        metric.process({}, [dict(info, pred_panoptic_seg=dict(sem_seg=torch.from_numpy(answer)[None]))])
    found = metric.evaluate(size=20)
    assert {found[f'panoptic/{key}'] for key in ('PQ', 'SQ', 'RQ', 'PQ_th', 'PQ_st')} == {100}
