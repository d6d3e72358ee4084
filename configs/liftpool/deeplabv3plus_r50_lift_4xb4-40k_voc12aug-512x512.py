# LiftPool, VOC 2012, DeepLabV3+: LiftDownPool, LiftUpPool; the paper's recipe is not known, this one is ours.
_base_ = './deeplabv3plus_r50_max_4xb4-40k_voc12aug-512x512.py'
model = dict(
    backbone=dict(pool_cfg=dict(type='lift'), return_memory=True),
    decode_head=dict(upsample_cfg=dict(type='lift'), memory_channels=[64, 256, 512]),
)
custom_hooks = [dict(type='LiftRegularization')]
