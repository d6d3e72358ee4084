# Shapes, panoptic segmentation: the baseline (see projects/shapes; no published table).
_base_ = [
    '../_base_/models/shapes_panoptic-fpn_r18.py',
    '../_base_/datasets/shapes_panoptic.py',
    '../_base_/schedules/shapes_det_12e.py',
]
visualizer = dict(type='PanopticVisualizer')
