"""Predictions over their images, by the visualizers of the frameworks."""

import numpy as np
import pytest
import torch

pytest.importorskip('mmseg', reason='draws with its visualizer')

from mmengine.config import Config  # noqa: E402
from mmengine.dist import utils as dist_utils  # noqa: E402
from mmengine.structures import PixelData  # noqa: E402
from mmseg.structures import SegDataSample  # noqa: E402

import freqfusion_mm.registration  # noqa: E402, F401
from freqfusion_mm.apis.config import scope_of  # noqa: E402
from freqfusion_mm.visualization.prediction import build_visualizer, draw_prediction  # noqa: E402

IMAGE = np.full((8, 9, 3), 100, np.uint8)


@pytest.fixture
def visualizer():
    cfg = Config(dict(default_scope='mmseg'))
    with scope_of(cfg):
        return build_visualizer(cfg, dict(classes=('a', 'b'), palette=[[255, 0, 0], [0, 0, 255]]))


@pytest.mark.parametrize('scope, name', [('mmseg', 'SegLocalVisualizer'), ('mmdet', 'DetLocalVisualizer')])
def test_mmengines_own_visualizer_draws_no_sample(scope, name):
    """That of the framework takes its place."""
    pytest.importorskip(scope)
    for settings in ({}, dict(visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')]))):
        cfg = Config(dict(default_scope=scope, **settings))
        with scope_of(cfg):
            assert type(build_visualizer(cfg, {})).__name__ == name


def test_every_process_draws_its_own_images(visualizer, monkeypatch):
    """The frameworks' own drawing does nothing in processes but the first."""
    sample = SegDataSample(pred_sem_seg=PixelData(data=torch.ones(1, 8, 9, dtype=torch.long)))
    first = draw_prediction(visualizer, IMAGE, sample, labels=False)
    assert first.shape == IMAGE.shape and (first[..., 2] > first[..., 0]).all()
    other = lambda *_: False  # noqa: E731
    monkeypatch.setattr(dist_utils, 'is_main_process', other)
    np.testing.assert_array_equal(draw_prediction(visualizer, IMAGE, sample, labels=False), first)
    assert dist_utils.is_main_process is other


def test_without_an_annotation_the_image_stands_there(visualizer):
    drawn = draw_prediction(visualizer, IMAGE, SegDataSample(), truth=True, prediction=False)
    np.testing.assert_array_equal(drawn, IMAGE)
