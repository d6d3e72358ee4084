# CamVid: SegFormer's head, bilinear, as wide as makes it as large as the largest of the learned upsamplers.
_base_ = './segformer_espnetv2-s1.0_bilinear_1xb8-1500i_camvid-240x320.py'
model = dict(decode_head=dict(channels=209))
