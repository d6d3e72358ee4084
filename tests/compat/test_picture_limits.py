"""What lies beyond an image does not move the image in its picture."""

import numpy as np
import pytest

pytest.importorskip('mmengine')

from mmengine.visualization import Visualizer  # noqa: E402

from freqfusion_mm.compat import picture_limits  # noqa: E402


@pytest.mark.parametrize(
    'draw',
    [
        lambda picture: picture.draw_bboxes(np.array([[-30.0, 20.0, 20.0, 200.0]])),
        lambda picture: picture.draw_lines(np.array([[90.0, 90.0]]), np.array([[5.0, 80.0]])),
        lambda picture: picture.draw_points(np.array([[150.0, 20.0]])),
        lambda picture: picture.draw_circles(np.array([[0.0, 60.0]]), np.array([12.0])),
    ],
    ids=['box', 'line', 'point', 'circle'],
)
@pytest.mark.filterwarnings('ignore:.*out of bounds')
def test_the_image_keeps_its_place(draw):
    picture_limits.apply()
    picture_limits.apply()
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    picture = Visualizer(image=image)
    alone = picture.get_image()  # mmengine 0.10.7 does not give the pixels of a small image back as they are
    for _ in range(2):  # the second image is drawn on the axes of the first
        draw(picture)
        drawn = picture.get_image()
        assert drawn.shape == image.shape
        np.testing.assert_array_equal(drawn[:15, 30:50], alone[:15, 30:50])
        picture.set_image(image)
