# FreqFusion (TPAMI 2024), Table X, row FreqFusion R50: box AP 40.0, mask AP 36.0.
_base_ = ['./mask-rcnn_r50_nearest_1x_coco.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
