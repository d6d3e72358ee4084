# Shapes, semantic segmentation: FreqFusion in the narrow Semantic FPN, trained at a tenth of the rate of the rest.
_base_ = ['./semantic-fpn_r18-slim_nearest_1xb8-1500i_shapes-128x128.py', '../_base_/upsamplers/freqfusion.py']
model = dict(neck=dict(upsample_cfg=dict(_base_.upsample_cfg, compressed_channels=32)))
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(fusions=dict(lr_mult=0.1))))
