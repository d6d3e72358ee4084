# Shapes, semantic segmentation: the narrow DeepLabV3+ with LiftDownPool at every halving but the first convolution's,
# and LiftUpPool in the decoder.
_base_ = './deeplabv3plus_r18-slim_max_1xb4-1500i_shapes-128x128.py'
model = dict(
    backbone=dict(pool_cfg=dict(type='lift'), return_memory=True),
    decode_head=dict(upsample_cfg=dict(type='lift'), memory_channels=[16, 16, 32]),
)
custom_hooks = [*_base_.custom_hooks, dict(type='LiftRegularization')]
