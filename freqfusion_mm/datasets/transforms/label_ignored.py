"""Training on the unlabelled pixels too, as a class of their own."""

from mmcv.transforms import BaseTransform


class LabelIgnored(BaseTransform):
    """Give ignored pixels of a segmentation map a class, as the recipes of ESPNet do.

    Args:
        label: the class.
        ignore_index: the value that is replaced.

    Example:
        >>> import numpy as np
        >>> LabelIgnored(19)(dict(gt_seg_map=np.array([[3, 255]])))['gt_seg_map']
        array([[ 3, 19]])
    """

    def __init__(self, label: int, ignore_index: int = 255) -> None:
        self.label = label
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        seg_map = results['gt_seg_map'].copy()
        seg_map[seg_map == self.ignore_index] = self.label
        results['gt_seg_map'] = seg_map
        return results

    def __repr__(self) -> str:
        return f'LabelIgnored(label={self.label}, ignore_index={self.ignore_index})'
