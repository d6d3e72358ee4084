# LiftPool, VOC 2012, SegNet: LiftDownPool, LiftUpPool; the paper's recipe is not known, this one is ours.
_base_ = './segnet_vgg16_max_4xb4-40k_voc12aug-512x512.py'
model = dict(backbone=dict(pool_cfg=dict(type='lift'), unpool_cfg=dict(type='lift', tied=True)))
custom_hooks = [dict(type='LiftRegularization')]
