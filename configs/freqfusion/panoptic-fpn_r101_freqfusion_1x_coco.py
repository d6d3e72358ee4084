# FreqFusion (TPAMI 2024), Table XI, row FreqFusion R101: PQ 44.0 (released checkpoint 44.1).
_base_ = ['./panoptic-fpn_r101_nearest_1x_coco.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
