# CamVid: SegFormer's head with FreqFusion as the preset `freqfusion-min` has it, deep to shallow.
_base_ = [
    './segformer_espnetv2-s1.0_bilinear_1xb8-1500i_camvid-240x320.py',
    '../../../configs/_base_/upsamplers/freqfusion-min.py',
]
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
