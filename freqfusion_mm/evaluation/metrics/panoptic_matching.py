"""Matching of panoptic segments, the counts behind panoptic quality.

Paper: Kirillov et al., Panoptic Segmentation, CVPR 2019.
Source: the definition is that of cocodataset/panopticapi (evaluation.py, commit 1ad5afa), which has
no release to install; written anew. torchmetrics' ``PanopticQuality`` is another definition: it
also forgives pixels that the prediction leaves void, and knows no crowd.
"""

import numpy as np

VOID = 0


def match_segments(
    pred_ids: np.ndarray, pred_classes: dict, true_ids: np.ndarray, true_classes: dict, crowds: set, num_classes: int
) -> np.ndarray:
    """Match predicted to true segments of one image.

    Convention:
        Two segments match when their classes agree and their IoU exceeds 0.5; then no other segment
        can match either. Pixels without a true segment do not count in the union. Crowd segments
        match nothing and are not missed. An unmatched prediction is forgiven when more than half
        of it lies on pixels without a true segment or on a crowd of its own class.

    Args:
        pred_ids: segment id per pixel, int [H, W]; 0 is void.
        pred_classes: class index of each predicted segment id.
        true_ids: as ``pred_ids``; ids that ``true_classes`` does not name count as neither.
        true_classes: class index of each true segment id.
        crowds: the true segment ids that are crowds.
        num_classes: number of classes.

    Returns:
        Float64 [4, num_classes]: sum of the matches' IoU, matches, false positives, misses.

    Raises:
        ValueError: if the sizes differ.

    Example:
        >>> pred, true = np.array([[7, 7, 7, 9]]), np.array([[1, 1, 2, 2]])
        >>> match_segments(pred, {7: 0, 9: 1}, true, {1: 0, 2: 1}, set(), num_classes=2)
        array([[0.66666667, 0.        ],
               [1.        , 0.        ],
               [0.        , 1.        ],
               [0.        , 1.        ]])
    """
    if pred_ids.shape != true_ids.shape:
        raise ValueError(
            f'the prediction has size {list(pred_ids.shape)}, the label '
            f'{list(true_ids.shape)}; predict at the size of the original image'
        )
    iou_sum, matches, false_positives, misses = counts = np.zeros((4, num_classes))
    # One number per pair of ids: a PNG's ids stay below 2**24, mmdet's below 2**31.
    pairs = pred_ids.astype(np.int64) << 32 | true_ids.astype(np.int64)
    pairs, areas = np.unique(pairs, return_counts=True)
    overlaps = {(int(pair >> 32), int(pair & 0xFFFFFFFF)): int(area) for pair, area in zip(pairs, areas)}
    pred_areas, true_areas = {}, {}
    for (pred, true), area in overlaps.items():
        pred_areas[pred] = pred_areas.get(pred, 0) + area
        true_areas[true] = true_areas.get(true, 0) + area

    matched_preds, matched_trues = set(), set()
    for (pred, true), overlap in overlaps.items():
        if pred not in pred_classes or true not in true_classes or true in crowds:
            continue
        if pred_classes[pred] != true_classes[true]:
            continue
        union = pred_areas[pred] + true_areas[true] - overlap - overlaps.get((pred, VOID), 0)
        if overlap / union > 0.5:
            iou_sum[true_classes[true]] += overlap / union
            matches[true_classes[true]] += 1
            matched_preds.add(pred)
            matched_trues.add(true)

    for true in set(true_classes) - matched_trues - crowds:
        misses[true_classes[true]] += 1
    for pred in set(pred_classes) - matched_preds:
        forgiven = overlaps.get((pred, VOID), 0) + sum(
            overlaps.get((pred, crowd), 0) for crowd in crowds if true_classes[crowd] == pred_classes[pred]
        )
        if forgiven / pred_areas[pred] <= 0.5:
            false_positives[pred_classes[pred]] += 1
    return counts
