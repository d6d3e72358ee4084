# Shapes, panoptic segmentation: the baseline's FPN with ReSFU.
_base_ = ['./panoptic-fpn_r18_nearest_1xb4-12e_shapes.py', '../_base_/upsamplers/resfu.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
