"""A label map over its image: the legend can be read."""

import numpy as np

from freqfusion_mm.visualization.label_overlay import overlay, shares


def test_shares_are_those_of_all_pixels_largest_first():
    labels = np.array([[2, 2, 0, 3], [2, 2, 2, 0]])
    assert shares(labels, dict(classes='abcde')) == [(2, 5 / 8), (0, 2 / 8), (3, 1 / 8)]


def test_entries_of_the_legend_keep_apart():
    """With long names each has a row, where short ones stand side by side; none is cut off."""
    image, labels = np.zeros((40, 600, 3), np.uint8), np.arange(600)[None].repeat(40, 0) // 200
    palette = [[255, 0, 0], [0, 255, 0], [0, 0, 255]]

    def legend(*names):
        return overlay(image, labels, dict(classes=names, palette=palette))[40:]

    short, long = legend('sky', 'road', 'car'), legend(*(f'{name}-other-merged-and-more' for name in 'abc'))
    assert len(short) < len(long)
    for each in (short, long):
        dark = (each.sum(axis=2) < 200).any(axis=0)
        assert dark.any() and not dark[-3:].any()


def test_colours_lie_over_the_image_by_their_opacity():
    image, labels = np.full((20, 30, 3), 200, np.uint8), np.arange(30)[None].repeat(20, 0) // 15
    palette = np.array([[255, 0, 0], [0, 40, 80]])
    seen = overlay(image, labels, dict(classes='ab', palette=palette), opacity=0.25)[:20]
    assert np.abs(seen - (0.75 * image + 0.25 * palette[labels])).max() <= 1
