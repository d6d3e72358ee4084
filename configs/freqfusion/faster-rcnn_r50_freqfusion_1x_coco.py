# FreqFusion (TPAMI 2024), Table IX, row FreqFusion R50: AP 39.4 (released checkpoint 39.5).
_base_ = ['./faster-rcnn_r50_nearest_1x_coco.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(upsample_cfg=_base_.upsample_cfg))
