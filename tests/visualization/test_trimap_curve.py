"""The picture of trimap curves."""

import cv2
import numpy as np
import pytest

pytest.importorskip('matplotlib', reason='matplotlib draws')

from freqfusion_mm.visualization.trimap_curve import draw_trimap_curve  # noqa: E402


def test_the_curve_becomes_a_picture(tmp_path):
    path = tmp_path / 'plots' / 'trimap.png'
    draw_trimap_curve([('bilinear', {1: 40.0, 2: 45.0, 16: 60.0}), ('FreqFusion', {16: 62.0, 1: 44.0, 2: 48.0})], path)
    picture = cv2.imread(str(path))
    assert picture.shape[0] > 300 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    with pytest.raises(ValueError, match='got 0 curves'):
        draw_trimap_curve([], path)
    with pytest.raises(ValueError, match=r"without points: \['none'\]"):
        draw_trimap_curve([('none', {})], path)
