# Mask2Former R50 + FreqFusion on ADE20K, no row of FreqFusion (TPAMI 2024).
_base_ = ['./mask2former_r50_bilinear_8xb2-160k_ade20k-512x512.py', '../_base_/upsamplers/freqfusion_mask2former.py']
model = dict(decode_head=dict(pixel_decoder=dict(fuse_inputs=True, upsample_cfg=_base_.upsample_cfg)))
