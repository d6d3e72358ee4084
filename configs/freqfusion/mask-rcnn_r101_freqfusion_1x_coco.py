# FreqFusion (TPAMI 2024), Table X, row FreqFusion R101: box AP 41.6, mask AP 37.4 (released
# checkpoint 37.3).
_base_ = ['./mask-rcnn_r101_nearest_1x_coco.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
