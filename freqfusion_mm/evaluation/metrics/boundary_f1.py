"""Boundary F1 (BF) of semantic segmentation."""

import math

import cv2
import numpy as np

from .label_map_metric import VOID, LabelMapMetric, box_around, class_means, distance_to, edges

#: Pixels up to which a disk is faster than a distance transform: the tolerance of a Cityscapes image is 17.
DISK = 25


def closer_than(mask: np.ndarray, distance: float) -> np.ndarray:
    """The pixels whose Euclidean distance to a pixel of `mask` is less than `distance`, bool [H, W]."""
    reach = min(math.ceil(distance) - 1, max(mask.shape))
    if reach > DISK:
        return distance_to(mask) < distance
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    return cv2.dilate(mask.view(np.uint8), (y**2 + x**2 < distance**2).astype(np.uint8)) > 0


class BoundaryF1(LabelMapMetric):
    """How well the contours of each class agree within a tolerance, averaged over classes, then images, in percent.

    Paper: Csurka et al., What is a good evaluation measure for semantic segmentation?, BMVC 2013; the measure of
        SegNet's tables (Badrinarayanan et al., TPAMI 2017).
    Convention:
        The contour of a class are its pixels with a pixel of another class above, below, left or right. Precision is
        the part of the predicted contour whose Euclidean distance to the true contour of the class is less than the
        tolerance, `tolerance * sqrt(H^2 + W^2)` pixels (not rounded), recall the part of the true contour that close
        to the predicted one, F1 their harmonic mean. An image's score is the mean over the classes with a contour in
        the ground truth or the prediction: a class that is missed, or only predicted, counts 0. The score of the data
        set is the mean over images; images without a contour in both maps are left out.

        The image's frame is no contour, since every prediction would have it right. Neither are ignored pixels and
        what borders on them alone; a contour pixel that is closer to an ignored pixel than the tolerance is not
        counted, since its match may lie there, but others may be matched to it. Where one map of the two keeps no
        counted contour pixel of a class, the part of them that is right (precision or recall) is 1.

    Results: `BF`, and in the log each class (the mean over the images that have it).

    Args:
        tolerance: as a part of the image's diagonal.
        ignore_index, collect_device, prefix: see `LabelMapMetric`.

    Raises:
        ValueError: a `tolerance` that is not positive, maps that do not fit (see `LabelMapMetric`).
    """

    def __init__(
        self,
        tolerance: float = 0.0075,
        ignore_index: int = 255,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(ignore_index, collect_device, prefix)
        if tolerance <= 0:
            raise ValueError(f"tolerance must be positive, a part of the image's diagonal, got {tolerance}")
        self.tolerance = tolerance

    def measure(self, pred: np.ndarray, true: np.ndarray) -> np.ndarray:
        """F1 of each class, float64 [classes], NaN for those without a contour."""
        pixels = self.tolerance * math.hypot(*true.shape)
        counted = ~closer_than(true == VOID, pixels)
        pred_edges, true_edges = edges(pred), edges(true)
        scores = np.full(len(self.class_names), np.nan)
        for index in np.union1d(pred[pred_edges], true[true_edges]):
            if index < 0:  # NO_CLASS
                continue
            contours = [
                label_edges & (label == index) for label_edges, label in ((pred_edges, pred), (true_edges, true))
            ]
            box = box_around(contours[0] | contours[1])
            pred_contour, true_contour = (np.ascontiguousarray(contour[box]) for contour in contours)
            rights = []
            for contour, other in ((pred_contour, true_contour), (true_contour, pred_contour)):
                right = closer_than(other, pixels)[contour & counted[box]]
                rights.append(right.mean() if right.size else np.nan)
            if not np.isnan(rights).all():
                precision, recall = np.nan_to_num(rights, nan=1)
                scores[index] = 2 * precision * recall / (precision + recall) if precision + recall else 0
        return scores

    def compute_metrics(self, results: list) -> dict:
        """Average over classes, then images, and log the table."""
        scores = 100 * np.array(results).reshape(-1, len(self.class_names))
        self.log_classes({'BF': np.array([class_means(column) for column in scores.T])})
        return dict(BF=class_means(np.array([class_means(row) for row in scores])))
