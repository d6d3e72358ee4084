"""The picture of trimap curves."""

import cv2
import numpy as np
import pytest

pytest.importorskip('matplotlib', reason='matplotlib draws')

from freqfusion_mm.visualization.trimap_curve import draw_trimap_curve, trimap_figure  # noqa: E402


def test_the_curve_becomes_a_picture(tmp_path):
    path = tmp_path / 'plots' / 'trimap.png'
    draw_trimap_curve([('bilinear', {1: 40.0, 2: 45.0, 16: 60.0}), ('FreqFusion', {16: 62.0, 1: 44.0, 2: 48.0})], path)
    picture = cv2.imread(str(path))
    assert picture.shape[0] > 300 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    with pytest.raises(ValueError, match='got 0 curves'):
        draw_trimap_curve([], path)
    with pytest.raises(ValueError, match=r"without points: \['none'\]"):
        draw_trimap_curve([('none', {})], path)


def test_runs_of_one_name_are_drawn_thinly_and_as_their_mean():
    figure = trimap_figure([('a', {1: 40.0, 4: 50.0}), ('b', {4: 9.0, 1: 8.0}), ('a', {4: 60.0, 1: 44.0})])
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in figure.axes[0].lines]
    assert lines == [([1, 4], values) for values in ([40, 50], [44, 60], [42, 55], [8, 9])]
    assert [text.get_text() for text in figure.axes[0].get_legend().texts] == ['a', 'b']
    with pytest.raises(ValueError, match=r'the curves of a have different widths: \[\[1\], \[2\]\]'):
        trimap_figure([('a', {1: 40.0}), ('a', {2: 40.0})])
