"""Boundary IoU of semantic segmentation."""

import math

import cv2
import numpy as np

from .label_map_metric import VOID, LabelMapMetric, box_around, class_means, iou_percent


def contour_band(label: np.ndarray, index: int, reach: int) -> np.ndarray:
    """The pixels of a class within `reach` of its contour, bool [H, W] from a map [H, W] (convention: `BoundaryIoU`).

    Example:
        >>> contour_band(np.array([[0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 1]]), 0, reach=1).astype(int)
        array([[1, 1, 1, 1, 0],
               [1, 0, 0, 1, 0],
               [1, 1, 1, 1, 0]])
    """
    own = label == index
    solid = own | (label == VOID)
    reach = min(reach, max(label.shape))  # more erodes nothing more
    inner = cv2.erode(
        solid.view(np.uint8),
        np.ones((3, 3), np.uint8),
        iterations=reach,
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return own & (inner == 0)


class BoundaryIoU(LabelMapMetric):
    """IoU of the bands along the contours of prediction and ground truth, averaged over classes, in percent.

    Paper: Cheng et al., Boundary IoU: Improving Object-Centric Image Segmentation Evaluation, CVPR 2021
        (arXiv 2103.16562).
    Convention:
        d = max(1, round(dilation_ratio * sqrt(H^2 + W^2))) pixels. The band of a class is its mask minus the mask
        eroded d times by a 3x3 square, that is its pixels within a Chebyshev distance d of a pixel that is not of the
        class. Outside of the image is not of the class: pixels along the image's frame are band, as in the authors'
        code. Intersection and union of the bands are summed over the data set, as mIoU does; a class whose bands are
        all empty is left out of the mean.

        Ignored pixels (the paper has none) are of no band, in the prediction too, and erode nothing: a contour
        against void is not annotated as a contour. What lies beyond a strip of void narrower than d does erode.
        With d larger than the image this is the mIoU.

    Results: `BoundaryIoU`, and each class in the log.

    Args:
        dilation_ratio: d as a part of the image's diagonal.
        ignore_index, collect_device, prefix: see `LabelMapMetric`.

    Raises:
        ValueError: a `dilation_ratio` that is not positive, maps that do not fit (see `LabelMapMetric`).
    """

    def __init__(
        self,
        dilation_ratio: float = 0.02,
        ignore_index: int = 255,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(ignore_index, collect_device, prefix)
        if dilation_ratio <= 0:
            raise ValueError(f"dilation_ratio must be positive, a part of the image's diagonal, got {dilation_ratio}")
        self.dilation_ratio = dilation_ratio

    def measure(self, pred: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Intersection and union of the bands, int64 [2, classes]."""
        reach = max(1, round(self.dilation_ratio * math.hypot(*true.shape)))
        areas = np.zeros((2, len(self.class_names)), np.int64)
        for index in np.union1d(pred, true):
            if index < 0:  # VOID, NO_CLASS
                continue
            # All that the erosion of the class reads lies within the margin.
            box = box_around((pred == index) | (true == index), margin=reach)
            pred_band, true_band = (contour_band(label[box], index, reach) for label in (pred, true))
            areas[:, index] = (pred_band & true_band).sum(), (pred_band | true_band).sum()
        return areas

    def compute_metrics(self, results: list) -> dict:
        """Average over classes and log the table."""
        iou = iou_percent(*np.sum(results, axis=0))
        self.log_classes({'BoundaryIoU': iou})
        return dict(BoundaryIoU=class_means(iou))
