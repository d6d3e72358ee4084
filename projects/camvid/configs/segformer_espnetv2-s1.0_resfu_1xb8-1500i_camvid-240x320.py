# CamVid: SegFormer's head with ReSFU, every level in one step.
_base_ = './segformer_espnetv2-s1.0_bilinear_1xb8-1500i_camvid-240x320.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='ReSFU')))
