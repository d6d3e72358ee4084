# CamVid: SegFormer's head with FreqFusion without the low-pass (ALPF) generator, as in Table I.
_base_ = './segformer_espnetv2-s1.0_freqfusion_1xb8-1500i_camvid-240x320.py'
model = dict(decode_head=dict(upsample_cfg=dict(lowpass=False)))
