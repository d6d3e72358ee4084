# CamVid: one head, stride 16 to stride 2 by ReSFU, in one step.
_base_ = './fcn-x8_espnetv2-s1.0_bilinear_1xb8-1500i_camvid-240x320.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='ReSFU')))
