# FreqFusion (TPAMI 2024), Table IX, row FreqFusion R101: AP 41.0 (released checkpoint 41.1).
# Its released config has 8 groups of offsets, those of the others 4.
_base_ = ['./faster-rcnn_r101_nearest_1x_coco.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(upsample_cfg=dict(_base_.upsample_cfg, resample_groups=8)))
