"""SubsetMetric: a subset's results are those of the metric on the subset alone."""

import numpy as np
import pytest
import torch

pytest.importorskip('mmengine', reason='metrics run on mmengine')

from mmengine.evaluator import BaseMetric, Evaluator  # noqa: E402

from freqfusion_mm.evaluation.metrics.boundary_f1 import BoundaryF1  # noqa: E402
from freqfusion_mm.evaluation.metrics.boundary_iou import BoundaryIoU  # noqa: E402
from freqfusion_mm.evaluation.metrics.subset_metric import SubsetMetric  # noqa: E402
from freqfusion_mm.evaluation.metrics.trimap_iou import TrimapIoU  # noqa: E402

META = dict(classes=('sky', 'road', 'pole'))
SUBSETS = {'Seq05VD': 'Seq05VD_*', 'first': '*_0'}


def iou_metric(**settings):
    return pytest.importorskip('mmseg.evaluation', reason="the metric is mmseg's").IoUMetric(**settings)


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    samples = []
    for name in ('0016E5_0', '0016E5_1', 'Seq05VD_f0', 'Seq05VD_0', 'Seq05VD.x_1'):
        true = torch.as_tensor(rng.integers(0, 3, (3, 4)).repeat(3, 0).repeat(3, 1))
        noise = torch.as_tensor(rng.random(true.shape) < 0.2)
        samples.append(
            dict(
                img_path=f'/data/Seq05VD_folder/{name}.png',
                pred_sem_seg=dict(data=torch.where(noise, 2, true)[None]),
                gt_sem_seg=dict(data=true[None]),
            )
        )
    return samples


def evaluate(metric, samples):
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = META
    return evaluator.offline_evaluate(samples, chunk_size=2)


@pytest.mark.parametrize('cls', [iou_metric, BoundaryIoU, BoundaryF1, TrimapIoU])
@pytest.mark.parametrize('prefix', [None, 'val'])
def test_subsets_equal_the_metric_on_them_alone(cls, prefix, samples):
    found = evaluate(SubsetMetric(cls(prefix=prefix), SUBSETS), samples)
    wanted = evaluate(cls(prefix=prefix), samples)
    assert all(key.startswith('val/') for key in wanted) or not prefix
    # The folder's name and suffixes do not count; only the last suffix goes.
    for subset, members in (('Seq05VD', samples[2:4]), ('first', [samples[0], samples[3]])):
        wanted.update({f'{subset}/{key}': value for key, value in evaluate(cls(prefix=prefix), members).items()})
    assert found == wanted
    assert len(set(found.values())) > 2


def test_it_can_be_used_again(samples):
    metric = SubsetMetric(BoundaryF1(), SUBSETS)
    assert evaluate(metric, samples) == evaluate(metric, samples)


def test_by_name(samples):
    pytest.importorskip('mmcv', reason='registration needs the layers')
    pytest.importorskip('mmseg', reason="IoUMetric is mmseg's")
    import freqfusion_mm.registration  # noqa: F401

    for inner, key in (('mmseg.IoUMetric', 'mIoU'), ('BoundaryIoU', 'BoundaryIoU'), ('BoundaryF1', 'BF')):
        found = evaluate(dict(type='SubsetMetric', metric=dict(type=inner), subsets=SUBSETS), samples)
        assert {key, f'Seq05VD/{key}', f'first/{key}'} <= set(found)


def test_images_that_pad_the_data_set_are_dropped(samples, monkeypatch):
    """What `collect_results` makes of two ranks: theirs in turn, cut to the size of the data set."""
    whole = SubsetMetric(BoundaryIoU(), SUBSETS)
    wanted = evaluate(whole, samples)
    ranks = []
    for part in ((0, 2, 4), (1, 3, 0)):
        metric = SubsetMetric(BoundaryIoU(), SUBSETS)
        metric.dataset_meta = META
        for index in part:
            metric.process({}, [samples[index]])
        ranks.append(metric)
    both = [result for turn in zip(*(metric.results for metric in ranks)) for result in turn]
    monkeypatch.setattr('mmengine.evaluator.metric.collect_results', lambda results, size, *_, **__: both[:size])
    assert ranks[0].evaluate(5) == wanted


def test_patterns_that_match_nothing(samples):
    with pytest.raises(ValueError, match=r"subset 'none': no image's name matches 'seq05vd_\*'; names look like"):
        evaluate(SubsetMetric(BoundaryIoU(), {'all': '*', 'none': 'seq05vd_*'}), samples)
    with pytest.raises(ValueError, match='must name at least one pattern'):
        SubsetMetric(BoundaryIoU(), {})


def test_a_sample_without_a_path(samples):
    del samples[1]['img_path']
    with pytest.raises(KeyError, match="lacks 'img_path'"):
        evaluate(SubsetMetric(BoundaryIoU(), SUBSETS), samples)


class PerBatch(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(len(data_samples))

    def compute_metrics(self, results):
        return dict(images=sum(results))


class OwnEvaluate(PerBatch):
    def evaluate(self, size):
        return dict(images=size)


def test_metrics_that_cannot_be_divided(samples):
    with pytest.raises(RuntimeError, match='PerBatch added 1 results for 2 images'):
        evaluate(SubsetMetric(PerBatch(), SUBSETS), samples)
    with pytest.raises(TypeError, match='OwnEvaluate has an evaluate of its own'):
        SubsetMetric(OwnEvaluate(), SUBSETS)
    coco = PerBatch()
    coco._coco_api = None  # as mmdet's, which counts images outside a subset as missed
    with pytest.raises(TypeError, match='PerBatch holds the ground truth of the whole data set'):
        SubsetMetric(coco, SUBSETS)
