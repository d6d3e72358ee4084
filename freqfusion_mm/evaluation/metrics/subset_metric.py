"""A metric on the whole data set and, apart, on parts of it that file names tell."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from mmengine.dist import all_gather_object
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmengine.registry import METRICS


class SubsetMetric(BaseMetric):
    """Evaluate a metric on the whole data set and on each subset of it.

    Convention:
        An image belongs to a subset if its name, the last part of `img_path` without its last suffix, matches the
        pattern (of `fnmatch`: `*`, `?`, `[abc]`; letter case counts). Subsets may overlap and need not cover
        the data set. The results of the whole keep their names, those of a subset come as `subset/name`: `mIoU` and
        `Seq05VD/mIoU`, or `trimap/1` and `Seq05VD/trimap/1` where the metric has a prefix.

    Args:
        metric: config of a registered metric, or a metric. It must add one result per image in `process`, as mmengine
            wants it of any metric on divided data sets, and compute from them alone; what it does at `evaluate` must
            be mmengine's own. COCO's metrics hold the whole ground truth, in which images outside a subset are missed.
        subsets: pattern of each subset's name.

    Raises:
        KeyError: a data sample without `img_path`.
        RuntimeError: the metric does not add one result per image.
        TypeError: the metric has an `evaluate` or a ground truth of its own.
        ValueError: no subset, or a pattern that matches no image.

    Example:
        `test_evaluator = dict(type='SubsetMetric', metric=dict(type='IoUMetric'), subsets={'Seq05VD': 'Seq05VD_*'})`
    """

    def __init__(self, metric: dict | BaseMetric, subsets: dict[str, str]) -> None:
        metric = METRICS.build(metric) if isinstance(metric, dict) else metric
        super().__init__(collect_device=metric.collect_device, collect_dir=metric.collect_dir)
        if type(metric).evaluate is not BaseMetric.evaluate:
            raise TypeError(
                f'{type(metric).__name__} has an evaluate of its own, which cannot be run on a subset; '
                "wanted is a metric with mmengine's BaseMetric.evaluate"
            )
        if hasattr(metric, '_coco_api'):
            raise TypeError(
                f'{type(metric).__name__} holds the ground truth of the whole data set, and counts images outside a '
                'subset as missed; wanted is a metric that computes from its results alone'
            )
        if not subsets:
            raise ValueError("subsets must name at least one pattern, like {'Seq05VD': 'Seq05VD_*'}, got none")
        self.metric = metric
        self.subsets = dict(subsets)

    @BaseMetric.dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        """Pass the data set's meta information to the metric."""
        self._dataset_meta = self.metric.dataset_meta = dataset_meta

    @property
    def ignore_index(self) -> int:
        """The label that the metric leaves out, for tools that ask; as the metric, it may have none."""
        return self.metric.ignore_index

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Keep the metric's result of each image together with the image's name."""
        for sample in data_samples:
            if 'img_path' not in sample:
                raise KeyError(
                    f"a data sample lacks 'img_path', it has {sorted(sample)}; it belongs into the meta_keys of the "
                    "test pipeline's PackSegInputs"
                )
        self.metric.results.clear()
        self.metric.process(data_batch, data_samples)
        if len(self.metric.results) != len(data_samples):
            raise RuntimeError(
                f'{type(self.metric).__name__} added {len(self.metric.results)} results for {len(data_samples)} images'
                '; subsets need a metric that adds one result per image'
            )
        self.results += [(Path(s['img_path']).stem, result) for s, result in zip(data_samples, self.metric.results)]
        self.metric.results.clear()

    def evaluate(self, size: int) -> dict:
        """Evaluate whole and subsets; a pattern without an image is refused on every rank, so that none waits."""
        names = set().union(*all_gather_object({name for name, _ in self.results}))
        for subset, pattern in self.subsets.items():
            if not any(fnmatchcase(name, pattern) for name in names):
                raise ValueError(
                    f"subset '{subset}': no image's name matches '{pattern}'; names look like {sorted(names)[:3]} "
                    '(without folder and suffix)'
                )
        return super().evaluate(size)

    def compute_metrics(self, results: list) -> dict:
        """Reduce the images of the whole, then those of each subset."""
        metrics = self._reduce([result for _, result in results])
        for subset, pattern in self.subsets.items():
            part = [result for name, result in results if fnmatchcase(name, pattern)]
            MMLogger.get_current_instance().info(f'{subset} ({pattern}): {len(part)} of {len(results)} images')
            metrics.update({f'{subset}/{name}': value for name, value in self._reduce(part).items()})
        return metrics

    def _reduce(self, results: list) -> dict:
        prefix = f'{self.metric.prefix}/' if self.metric.prefix else ''
        return {prefix + name: value for name, value in self.metric.compute_metrics(results).items()}
