# FADE without gate (ablation B4) in SegFormer-B1 on ADE20K, six of them: published mIoU 43.33 (FADE poster).
_base_ = ['../freqfusion/segformer_mit-b1_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/fade.py']
model = dict(decode_head=dict(stagewise=True, upsample_cfg=dict(_base_.upsample_cfg, gated=False)))
