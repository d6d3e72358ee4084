"""What metrics that compare two label maps share: maps out of mmseg's data samples, a table by class."""

from abc import abstractmethod
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from torch import Tensor

from ..analysis.feature_similarity import boundary_band

#: Label of the ignored pixels, in the prediction too, when `LabelMapMetric.measure` sees the maps.
VOID = -1
#: Label of the pixels, not ignored, that are predicted to be of no class.
NO_CLASS = -2


class LabelMapMetric(BaseMetric):
    """Base of the metrics that measure one image at a time from its predicted and its true label map.

    A model may have one output more than the data set has classes, as the ESPNet family has for pixels without a label:
    where it is predicted, the prediction is wrong, and of no class.

    `process` adds exactly one small result per image, so that mmengine drops the images which pad a data set that is
    divided over processes. A subclass defines `measure` and `compute_metrics`.

    Args:
        ignore_index: label of the pixels that take no part; the prediction there is dropped as well.
        collect_device: 'cpu' or 'gpu', where ranks exchange their results.
        prefix: of the names of the results.

    Raises:
        KeyError: a data set without `classes`.
        ValueError: a data sample without maps or with several, a prediction of another size than its
            label, or a class that does not exist.
    """

    def __init__(self, ignore_index: int = 255, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.ignore_index = ignore_index

    @property
    def class_names(self) -> Sequence[str]:
        """The data set's classes."""
        if not self.dataset_meta or 'classes' not in self.dataset_meta:
            raise KeyError(
                f"{type(self).__name__} wants 'classes' in the data set's metainfo, "
                f'got {sorted(self.dataset_meta or {})}'
            )
        return self.dataset_meta['classes']

    @abstractmethod
    def measure(self, pred: np.ndarray, true: np.ndarray) -> np.ndarray:
        """The result of one image from two int32 maps [H, W]; `VOID` is in both, `NO_CLASS` in the predicted alone."""

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Measure each image of a batch."""
        for sample in data_samples:
            pred, true = (self._label_map(sample, key) for key in ('pred_sem_seg', 'gt_sem_seg'))
            if pred.shape != true.shape:
                raise ValueError(
                    f'the prediction has size {list(pred.shape)}, the label {list(true.shape)}; '
                    'predict at the size of the label'
                )
            ignored = true == self.ignore_index
            pred[ignored] = true[ignored] = VOID
            pred[pred == len(self.class_names)] = NO_CLASS
            for what, label in (('prediction', pred), ('label', true)):
                values = label[~ignored & (label != NO_CLASS)]
                if values.size and (values.min() < 0 or values.max() >= len(self.class_names)):
                    raise ValueError(
                        f'the {what} holds values from {values.min()} to {values.max()}, the data set '
                        f'has {len(self.class_names)} classes and ignore_index={self.ignore_index}; '
                        'do they belong together?'
                    )
            self.results.append(self.measure(pred, true))

    def log_classes(self, columns: dict[str, np.ndarray]) -> None:
        """Log a table of one line a class, in percent."""
        lines = [f'{"class":>20} ' + ' '.join(f'{name:>11}' for name in columns)]
        for name, *values in zip(self.class_names, *columns.values()):
            lines.append(f'{name:>20} ' + ' '.join(f'{value:11.2f}' for value in values))
        MMLogger.get_current_instance().info('per class results:\n' + '\n'.join(lines))

    @staticmethod
    def _label_map(sample: dict, key: str) -> np.ndarray:
        if key not in sample:
            remedy = {
                'gt_sem_seg': 'the test pipeline must read it (LoadAnnotations)',
                'pred_sem_seg': 'predict with a segmentor of mmseg',
            }[key]
            raise ValueError(f"a data sample lacks '{key}', it has {sorted(sample)}; {remedy}")
        data: Tensor = sample[key]['data']
        if data.ndim < 2 or data.numel() != data.shape[-2:].numel():
            raise ValueError(f"'{key}' must be one label map [1, H, W] or [H, W], got {list(data.shape)}")
        return data.reshape(data.shape[-2:]).cpu().numpy().astype(np.int32)  # a copy: void is written into it


def edges(label: np.ndarray) -> np.ndarray:
    """The pixels with another class above, below, left or right of them; neither void nor the image's frame is one."""
    return boundary_band(torch.from_numpy(label), edge_k=1, ignore_index=VOID).numpy()


def distance_to(mask: np.ndarray) -> np.ndarray:
    """Exact Euclidean distance of every pixel to the next one of `mask`, infinite where there is none."""
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    return cv2.distanceTransform((~mask).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def box_around(mask: np.ndarray, margin: int = 0) -> tuple[slice, slice]:
    """Rows and columns of the smallest box around a mask, `margin` pixels wider on each side inside the image."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return slice(max(y - margin, 0), y + height + margin), slice(max(x - margin, 0), x + width + margin)


def class_means(values: np.ndarray) -> float:
    """Mean over the classes that are not NaN; NaN where there is none."""
    seen = values[~np.isnan(values)]
    return float(seen.mean()) if seen.size else np.nan


def iou_percent(intersection: np.ndarray, union: np.ndarray) -> np.ndarray:
    """IoU in percent, NaN where the union is empty."""
    return np.where(union > 0, 100 * intersection / np.maximum(union, 1), np.nan)
