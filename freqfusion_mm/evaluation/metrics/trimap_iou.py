"""mIoU near the borders of the ground truth, as a curve over the width of the band."""

from collections.abc import Sequence

import numpy as np

from .label_map_metric import NO_CLASS, VOID, LabelMapMetric, class_means, distance_to, edges, iou_percent


class TrimapIoU(LabelMapMetric):
    """The mIoU, in percent, of the pixels within w pixels of a border of the ground truth, for each width w.

    Paper: Kohli et al., Robust Higher Order Potentials for Enforcing Label Consistency, IJCV 2009 (the band); with the
        mIoU in it as in Chen et al., DeepLab, TPAMI 2018.
    Convention:
        A border pixel has a pixel of another class above, below, left or right; a border against ignored pixels is
        none, and the image's frame is none. The band of width w are the pixels whose Euclidean distance to a border
        pixel is less than w: w = 1 are the border pixels themselves, a straight border has w pixels on either side.
        Ignored pixels are in no band. Areas are summed over the data set; a class that is neither true nor predicted
        in the band is left out of the mean.

    Results: `trimap/w` for each width, and each class in the log; `visualization.trimap_curve` draws them.

    Args:
        widths: w in pixels, each at least 1.
        ignore_index, collect_device, prefix: see `LabelMapMetric`.

    Raises:
        ValueError: widths that are none, repeated or less than 1, maps that do not fit (see `LabelMapMetric`).
    """

    default_prefix = 'trimap'

    def __init__(
        self,
        widths: Sequence[int] = (1, 2, 4, 8, 16),
        ignore_index: int = 255,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(ignore_index, collect_device, prefix)
        if not isinstance(widths, Sequence) or not widths or len(set(widths)) < len(widths) or min(widths) < 1:
            raise ValueError(f'widths must be different numbers of pixels, each at least 1, got {widths}')
        self.widths = tuple(widths)

    def measure(self, pred: np.ndarray, true: np.ndarray) -> np.ndarray:
        """Intersection and union in each band, int64 [widths, 2, classes]."""
        distances = distance_to(edges(true))
        near = (distances < max(self.widths)) & (true != VOID)
        distances, pred, true = distances[near], pred[near], true[near]
        areas = np.zeros((len(self.widths), 2, len(self.class_names)), np.int64)
        for width, (intersection, union) in zip(self.widths, areas):
            band = distances < width
            pred_area, true_area, right_area = (
                np.bincount(label, minlength=len(self.class_names))
                for label in (pred[band & (pred != NO_CLASS)], true[band], true[band & (pred == true)])
            )
            intersection[:] = right_area
            union[:] = pred_area + true_area - right_area
        return areas

    def compute_metrics(self, results: list) -> dict:
        """Average over classes and log the table."""
        ious = [iou_percent(*areas) for areas in np.sum(results, axis=0)]
        self.log_classes({f'trimap/{width}': iou for width, iou in zip(self.widths, ious)})
        return {str(width): class_means(iou) for width, iou in zip(self.widths, ious)}
