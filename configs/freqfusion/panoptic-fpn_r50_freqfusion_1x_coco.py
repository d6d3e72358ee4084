# FreqFusion (TPAMI 2024), Table XI, row FreqFusion R50: PQ 42.7, +0.3 M parameters (three fusions).
_base_ = ['./panoptic-fpn_r50_nearest_1x_coco.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(upsample_cfg=dict(_base_.upsample_cfg, resample_norm=False)))
