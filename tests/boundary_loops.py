"""BoundaryIoU, BoundaryF1 and TrimapIoU by their definitions, pixel by pixel."""

import math

import numpy as np

VOID = 255
CLASSES = 4


def pixels(label):
    return [(y, x) for y in range(label.shape[0]) for x in range(label.shape[1])]


def loops_void(pred, true):
    return np.where(true == VOID, VOID, pred), true


def loops_boundary_iou(pairs, ratio):
    intersection, union = [0] * CLASSES, [0] * CLASSES
    for pair in pairs:
        height, width = pair[0].shape
        d = max(1, int(round(ratio * math.sqrt(height**2 + width**2))))
        for index in range(CLASSES):
            bands = []
            for label in loops_void(*pair):
                solid = {p for p in pixels(label) if label[p] in (index, VOID)}
                inner = set(solid)
                for _ in range(d):
                    inner = {
                        (y, x)
                        for y, x in inner
                        if all((y + dy, x + dx) in inner for dy in (-1, 0, 1) for dx in (-1, 0, 1))
                    }
                bands.append({p for p in pixels(label) if label[p] == index and p not in inner})
            intersection[index] += len(bands[0] & bands[1])
            union[index] += len(bands[0] | bands[1])
    ious = [100 * i / u for i, u in zip(intersection, union) if u]
    return {'BoundaryIoU': sum(ious) / len(ious)}


def loops_border(label):
    border = set()
    for y, x in pixels(label):
        for q in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if 0 <= q[0] < label.shape[0] and 0 <= q[1] < label.shape[1]:
                if VOID not in (label[y, x], label[q]) and label[q] != label[y, x]:
                    border.add((y, x))
    return border


def loops_near(p, others, limit):
    return any(math.dist(p, q) < limit for q in others)


def loops_bf(pairs, tolerance):
    images = []
    for pair in pairs:
        pred, true = loops_void(*pair)
        limit = tolerance * math.sqrt(true.shape[0] ** 2 + true.shape[1] ** 2)
        void = [p for p in pixels(true) if true[p] == VOID]
        borders = loops_border(pred), loops_border(true)
        scores = []
        for index in range(CLASSES):
            pred_contour, true_contour = (
                [p for p in border if label[p] == index] for border, label in zip(borders, (pred, true))
            )
            parts = []
            for contour, other in ((pred_contour, true_contour), (true_contour, pred_contour)):
                counted = [p for p in contour if not loops_near(p, void, limit)]
                right = sum(loops_near(p, other, limit) for p in counted)
                parts.append(right / len(counted) if counted else None)
            if parts == [None, None]:
                continue
            precision, recall = (1 if part is None else part for part in parts)
            scores.append(100 * 2 * precision * recall / (precision + recall) if precision + recall else 0)
        if scores:
            images.append(sum(scores) / len(scores))
    return {'BF': sum(images) / len(images)}


def loops_trimap(pairs, widths):
    found = {}
    for w in widths:
        intersection, union = [0] * CLASSES, [0] * CLASSES
        for pred, true in pairs:
            border = loops_border(true)
            for p in pixels(true):
                if true[p] == VOID or not loops_near(p, border, w):
                    continue
                if pred[p] == true[p]:
                    intersection[true[p]] += 1
                    union[true[p]] += 1
                else:
                    union[true[p]] += 1
                    union[pred[p]] += 1
        ious = [100 * i / u for i, u in zip(intersection, union) if u]
        found[f'trimap/{w}'] = sum(ious) / len(ious)
    return found
