"""Ignored pixels as a class of their own."""

import numpy as np
import pytest

pytest.importorskip('mmcv', reason='the transform is one of mmcv')

from freqfusion_mm.datasets.transforms.label_ignored import LabelIgnored  # noqa: E402


def test_the_map_that_came_stays_as_it_was():
    """A data set may keep it in memory, for another pipeline too."""
    kept = np.array([[0, 7, 255]], np.uint8)
    assert LabelIgnored(3, ignore_index=7)(dict(gt_seg_map=kept))['gt_seg_map'].tolist() == [[0, 3, 255]]
    assert kept.tolist() == [[0, 7, 255]]
