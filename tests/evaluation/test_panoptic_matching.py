"""The matching of segments: hand-computed cases, and other implementations where they are installed."""

from collections import defaultdict
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip('mmcv', reason='labels are read with mmcv')

from freqfusion_mm.evaluation.metrics.panoptic_matching import match_segments  # noqa: E402

CAT, DOG, GRASS, SKY = range(4)


def match(pred, pred_classes, true, true_classes, crowds=()):
    pred, true = (np.array([list(map(int, text))]) for text in (pred, true))
    return match_segments(pred, pred_classes, true, true_classes, set(crowds), num_classes=4)


def counts(iou_sum=0, matches=0, false_positives=0, misses=0, label=CAT):
    table = np.zeros((4, 4))
    table[:, label] = iou_sum, matches, false_positives, misses
    return table


@pytest.mark.parametrize(
    'pred, true, pred_classes, true_classes, crowds, wanted',
    [
        ('1111', '5555', {1: CAT}, {5: CAT}, (), counts(1, 1)),
        ('1112', '5555', {1: CAT, 2: CAT}, {5: CAT}, (), counts(3 / 4, 1, 1)),
        # IoU 1/2 exactly is no match.
        ('1122', '5555', {1: CAT, 2: DOG}, {5: CAT}, (), counts(0, 0, 1, 1) + counts(0, 0, 1, label=DOG)),
        # Another class is no match, however well it lies.
        ('1111', '5555', {1: DOG}, {5: CAT}, (), counts(misses=1) + counts(false_positives=1, label=DOG)),
        # Pixels without a true segment leave the union: 3 of (6 + 4 - 3 - 3).
        ('1111110', '0005555', {1: CAT}, {5: CAT}, (), counts(3 / 4, 1)),
        # Pixels without a predicted segment stay in it: 3 of 6 is no match.
        ('111000', '555555', {1: CAT}, {5: CAT}, (), counts(0, 0, 1, 1)),
        # A false positive is forgiven when more than half of it, not just half, has no true segment.
        ('1111', '0005', {1: CAT}, {5: DOG}, (), counts(misses=1, label=DOG)),
        ('1111', '0055', {1: CAT}, {5: DOG}, (), counts(0, 0, 1) + counts(misses=1, label=DOG)),
        # A crowd is never missed, matches nothing, forgives its own class and no other.
        ('0000', '5555', {}, {5: CAT}, (5,), counts()),
        ('1122', '5555', {1: CAT, 2: DOG}, {5: CAT}, (5,), counts(false_positives=1, label=DOG)),
        # An id of the label that its list does not name is neither void nor a segment.
        ('1111', '5666', {1: CAT}, {5: CAT}, (), counts(0, 0, 1, 1)),
    ],
)
def test_hand_computed_matches(pred, true, pred_classes, true_classes, crowds, wanted):
    found = match(pred, pred_classes, true, true_classes, crowds)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_other_size_is_refused():
    with pytest.raises(ValueError, match=r'has size \[2, 3\], the label \[3, 2\]'):
        match_segments(np.zeros((2, 3), int), {}, np.zeros((3, 2), int), {}, set(), 4)


def write_label(path, ids):
    rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
    cv2.imwrite(str(path), rgb[..., ::-1])
    return str(path)


def random_blocks(rng, ids, size=24, block=4):
    """Random ids in blocks, some of them shifted, so that IoUs of all kinds occur."""
    blocks = rng.choice(ids, (size // block, size // block)).repeat(block, 0).repeat(block, 1)
    return np.roll(blocks, rng.integers(0, 2, 2), (0, 1))


def random_case(rng, void):
    true = random_blocks(rng, [1, 2, 3, 4, 5][: rng.integers(2, 6)])
    pred = np.where(rng.random(true.shape) < 0.85, true, random_blocks(rng, [1, 2, 3, 6]))
    if void:
        true = np.where(random_blocks(rng, [0, 1, 1]) == 0, 0, true)
        pred = np.where(random_blocks(rng, [0, 1, 1, 1]) == 0, 0, pred)
    true_classes = {int(i): int(rng.integers(4)) for i in np.unique(true) if i}
    pred_classes = {
        int(i): true_classes.get(int(i), CAT) if rng.random() < 0.8 else int(rng.integers(4))
        for i in np.unique(pred)
        if i
    }
    return pred, pred_classes, true, true_classes


def test_equals_mmdet_with_panopticapi(tmp_path, monkeypatch):
    """mmdet holds panopticapi's loop; only four names of panopticapi's are stood in for."""
    utils = pytest.importorskip('mmdet.evaluation.functional.panoptic_utils')
    from freqfusion_mm.datasets.panoptic_png import colours_to_ids

    monkeypatch.setattr(utils, 'PQStat', lambda: defaultdict(lambda: SimpleNamespace(iou=0.0, tp=0, fp=0, fn=0)))
    monkeypatch.setattr(utils, 'rgb2id', lambda rgb: colours_to_ids(rgb).astype(np.uint32))
    rng, total, crowds_seen = np.random.default_rng(0), np.zeros((4, 4)), 0
    for _ in range(60):
        pred, pred_classes, true, true_classes = random_case(rng, void=True)
        # At most one crowd, COCO's own rule: one per class and image.
        crowds = {i for i, c in true_classes.items() if c == DOG and rng.random() < 0.5}
        crowds = set(list(crowds)[:1])
        crowds_seen += len(crowds)
        found = match_segments(pred, pred_classes, true, true_classes, crowds, 4)
        for name, ids in (('true', true), ('pred', pred)):
            (tmp_path / name).mkdir(exist_ok=True)
            write_label(tmp_path / name / 'x.png', ids)
        area = {i: int((true == i).sum()) for i in true_classes}
        truth = [dict(id=i, category_id=c, iscrowd=int(i in crowds), area=area[i]) for i, c in true_classes.items()]
        guess = [dict(id=i, category_id=c) for i, c in pred_classes.items()]
        stat = utils.pq_compute_single_core(
            0,
            [
                (
                    dict(image_id=0, file_name='x.png', segments_info=truth),
                    dict(image_id=0, file_name='x.png', segments_info=guess),
                )
            ],
            str(tmp_path / 'true'),
            str(tmp_path / 'pred'),
            {i: {} for i in range(4)},
        )
        wanted = np.array([[getattr(stat[c], key) for c in range(4)] for key in ('iou', 'tp', 'fp', 'fn')])
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        total += found
    assert (total.sum(axis=1) > 10).all() and crowds_seen > 5  # every kind of count occurred


def torchmetrics_quality(pred, pred_classes, true, true_classes):
    functional = pytest.importorskip('torchmetrics.functional.detection')
    void = 9  # a class that torchmetrics does not know becomes its void

    def colours(ids, classes):
        labels = np.vectorize(lambda i: classes.get(int(i), void))(ids)
        return torch.from_numpy(np.stack([labels, ids], axis=-1))[None]

    return functional.panoptic_quality(
        colours(pred, pred_classes),
        colours(true, true_classes),
        things={0, 1, 2, 3},
        stuffs=set(),
        allow_unknown_preds_category=True,
        return_per_class=True,
        return_sq_and_rq=True,
    )


def test_equals_torchmetrics_where_all_is_predicted():
    rng = np.random.default_rng(1)
    for _ in range(20):
        case = random_case(rng, void=False)
        iou, matches, false_positives, misses = match_segments(*case, set(), 4)
        weight = matches + (false_positives + misses) / 2
        found = np.stack(
            [iou / np.maximum(weight, 0.5), iou / np.maximum(matches, 1), matches / np.maximum(weight, 0.5)], axis=-1
        )
        wanted = torchmetrics_quality(*case)
        np.testing.assert_allclose(found, wanted.reshape(4, 3).numpy(), rtol=1e-6)


def test_torchmetrics_forgives_what_is_not_predicted():
    """Why torchmetrics' PQ is not used: void in the prediction counts as void in the label."""
    pred, true = np.array([[1, 1, 1, 0, 0, 0]]), np.array([[5] * 6])
    case = pred, {1: CAT}, true, {5: CAT}
    assert match_segments(*case, set(), 4)[1, CAT] == 0
    assert torchmetrics_quality(*case).reshape(4, 3)[CAT, 0] == 1
