# Shapes, semantic segmentation: FreqFusion in the narrow Semantic FPN, trained at a tenth of the rate of the rest.
_base_ = './semantic-fpn_r18-slim_freqfusion_1xb8-1500i_shapes-128x128.py'
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(fusions=dict(lr_mult=0.1))))
