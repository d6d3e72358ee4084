"""Panoptic quality as an mmengine metric, without panopticapi."""

from collections.abc import Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from ...datasets.panoptic_png import check_segments, read_panoptic_png
from .panoptic_matching import VOID, match_segments

# mmdet: a pixel of the panoptic result is class + instance * INSTANCE_OFFSET.
INSTANCE_OFFSET = 1000


class PanopticQuality(BaseMetric):
    """PQ, SQ and RQ over all classes, the things and the stuff, in percent.

    Paper: Kirillov et al., Panoptic Segmentation, CVPR 2019.
    Convention: see `match_segments`; equal to panopticapi (of several crowds of a class in an image, all
    count). SQ is the mean IoU of the matches, RQ matches / (matches + false positives / 2 + misses / 2),
    PQ their product; each is averaged over the classes that occur in the labels or the predictions, and
    is NaN where none does.

    The labels come with the data samples: the test pipeline's ``PackDetInputs`` must name
    ``meta_keys=(..., 'seg_map_path', 'segments_info')``. The data set's meta information must hold
    ``classes``, in the order in which it numbers them, and ``thing_classes``.

    Args:
        classwise: also report each class, as ``PQ/name``, ``SQ/name`` and ``RQ/name``.
        backend_args: of mmengine's file client, to read the labels.
        collect_device: 'cpu' or 'gpu', where ranks exchange their counts.
        prefix: of the names of the results.

    Raises:
        ValueError: a prediction of another size than its label, or of a class that does not exist; a label
            that holds none of its segments; classes in another order than the data set numbers them.
        KeyError: if data samples or data set lack what is named above.
        RuntimeError: a label that is missing or is not an image.
    """

    default_prefix = 'panoptic'

    def __init__(
        self,
        classwise: bool = False,
        backend_args: dict | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.classwise = classwise
        self.backend_args = backend_args

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count the matches of each image of a batch."""
        classes = list(self._meta('classes'))
        for sample in data_samples:
            for key in ('seg_map_path', 'segments_info', 'pred_panoptic_seg'):
                if key not in sample:
                    raise KeyError(
                        f"a data sample lacks '{key}', it has {sorted(sample)}; 'seg_map_path' and "
                        "'segments_info' belong into the meta_keys of the test pipeline's "
                        "PackDetInputs, 'pred_panoptic_seg' is what a panoptic model predicts"
                    )
            pred_ids, pred_classes = _parse_prediction(sample['pred_panoptic_seg'], len(classes))
            true_classes, crowds = self._parse_label(sample['segments_info'], classes)
            true_ids = read_panoptic_png(sample['seg_map_path'], self.backend_args)
            check_segments(true_ids, true_classes, sample['seg_map_path'])
            self.results.append(match_segments(pred_ids, pred_classes, true_ids, true_classes, crowds, len(classes)))

    def compute_metrics(self, results: list) -> dict:
        """Average over classes and log the table."""
        iou_sum, matches, false_positives, misses = np.sum(results, axis=0)
        weight = matches + (false_positives + misses) / 2
        seen = weight > 0
        sq = 100 * iou_sum / np.maximum(matches, 1)
        rq = 100 * matches / np.where(seen, weight, 1)
        quality = dict(PQ=sq * rq / 100, SQ=sq, RQ=rq)
        names = list(self._meta('classes'))
        is_thing = np.isin(names, list(self._meta('thing_classes')))
        metrics, rows = {}, []
        for group, suffix, members in (
            ('all', '', seen),
            ('things', '_th', seen & is_thing),
            ('stuff', '_st', seen & ~is_thing),
        ):
            means = {k: float(v[members].mean()) if members.any() else np.nan for k, v in quality.items()}
            metrics.update({key + suffix: mean for key, mean in means.items()})
            rows.append((f'{group} ({members.sum()})', *means.values()))
        for i, name in enumerate(names if self.classwise else []):
            values = {key: float(v[i]) if seen[i] else np.nan for key, v in quality.items()}
            metrics.update({f'{key}/{name}': value for key, value in values.items()})
            rows.append((name, *values.values()))
        lines = [f'{"classes":>20} {"PQ":>7} {"SQ":>7} {"RQ":>7}']
        lines += [f'{name:>20} {pq:7.2f} {sq:7.2f} {rq:7.2f}' for name, pq, sq, rq in rows]
        MMLogger.get_current_instance().info('panoptic quality\n' + '\n'.join(lines))
        return metrics

    def _parse_label(self, segments_info: Sequence[dict], classes: list) -> tuple[dict, set]:
        """Class of each segment id, and the ids that are crowds; of an id listed twice the last entry counts."""
        segments = {int(info['id']): info for info in segments_info}
        labels = {number: int(info['category']) for number, info in segments.items()}
        things = {i for i, name in enumerate(classes) if name in self._meta('thing_classes')}
        for number, info in segments.items():
            if info['is_thing'] and labels[number] not in things:
                raise ValueError(
                    f'segment {number} of class {labels[number]} is a thing, but that class of the metainfo, '
                    f"'{classes[labels[number]]}', is none of thing_classes: classes must be listed as the data set "
                    'numbers them. Import freqfusion_mm.registration before the data set is built, it sees to that'
                )
        # mmdet's panoptic data set tells a crowd by is_thing=False on a thing class.
        return labels, {number for number in segments if labels[number] in things and not segments[number]['is_thing']}

    def _meta(self, key: str) -> Sequence[str]:
        if not self.dataset_meta or key not in self.dataset_meta:
            raise KeyError(
                f"panoptic quality wants '{key}' in the data set's metainfo, got {sorted(self.dataset_meta or {})}"
            )
        return self.dataset_meta[key]


def _parse_prediction(prediction: dict, num_classes: int) -> tuple[np.ndarray, dict]:
    """Segment ids, 0 for void, and the class of each, from mmdet's panoptic map [1, H, W]."""
    values = prediction['sem_seg'][0].cpu().numpy().astype(np.int64)
    ignored = prediction.get('ignore_index', num_classes)
    classes = values % INSTANCE_OFFSET
    void = (classes == num_classes) | (classes == ignored)
    if (classes[~void] > num_classes).any():
        raise ValueError(
            f'the prediction holds class {classes[~void].max()}, the data set has '
            f'{num_classes} classes; do model and data set belong together?'
        )
    ids = np.where(void, VOID, values + 1)  # class 0 without instance would be void otherwise
    return ids, {int(i): int(i - 1) % INSTANCE_OFFSET for i in np.unique(ids) if i != VOID}
