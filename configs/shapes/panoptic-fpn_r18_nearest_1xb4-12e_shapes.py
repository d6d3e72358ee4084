# Shapes, panoptic segmentation: the baseline (see projects/shapes; no published table).
_base_ = [
    '../_base_/models/panoptic-fpn_r18_shapes.py',
    '../_base_/datasets/shapes_panoptic.py',
    '../_base_/schedules/det_shapes_12e.py',
]
visualizer = dict(type='PanopticVisualizer')
