"""A drawn picture keeps its scale when a box, a line or a point lies beyond the image.

Lacking: mmengine (0.10.7; onedl 0.10.12) leaves the axes' limits to matplotlib, which fits them to what is drawn: to
points always, from 3.11 on to boxes and polygons too. The image shrinks then, and white stands beside it.
Changes: every visualizer that derives from mmengine's.
Goes: when mmengine fixes the limits.
"""

import numpy as np
from mmengine.visualization import Visualizer


def apply() -> None:
    """Keep the axes of every visualizer at the image's frame."""
    upstream = Visualizer.set_image
    if getattr(upstream, 'keeps_limits', False):
        return

    def set_image(self: Visualizer, image: np.ndarray) -> None:
        upstream(self, image)
        self.ax_save.set_autoscale_on(False)

    set_image.keeps_limits = True
    Visualizer.set_image = set_image
