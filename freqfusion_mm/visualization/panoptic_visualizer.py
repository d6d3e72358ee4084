"""mmdet's picture of a panoptic result, also where the result is empty."""

import numpy as np
from mmdet.visualization import DetLocalVisualizer
from mmengine.structures import PixelData


class PanopticVisualizer(DetLocalVisualizer):
    """mmdet's visualizer, which needs no panopticapi but fails on a result without a segment.

    A panoptic model that has hardly been trained leaves whole images void; mmdet 3.3.0 and 3.5.1
    then stop the run with "need at least one array to stack". Here such an image stays as it is.
    """

    def _draw_panoptic_seg(
        self, image: np.ndarray, panoptic_seg: PixelData, classes: list, palette: list
    ) -> np.ndarray:
        # The fusion heads write the number of classes where no segment is.
        if (panoptic_seg.sem_seg[0] == len(classes)).all():
            return image
        return super()._draw_panoptic_seg(image, panoptic_seg, classes, palette)
