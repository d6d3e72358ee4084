# CamVid: SegFormer's head with FreqFusion, deep to shallow.
_base_ = './segformer_espnetv2-s1.0_bilinear_1xb8-1500i_camvid-240x320.py'
model = dict(decode_head=dict(upsample_cfg=dict(type='FreqFusion', compress_ratio=8, hamming_window=False)))
