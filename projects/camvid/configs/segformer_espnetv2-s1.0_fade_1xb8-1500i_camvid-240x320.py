# CamVid: SegFormer's head, every level upsampled apart by FADE.
_base_ = './segformer_espnetv2-s1.0_bilinear_1xb8-1500i_camvid-240x320.py'
model = dict(decode_head=dict(stagewise=True, upsample_cfg=dict(type='FADE')))
