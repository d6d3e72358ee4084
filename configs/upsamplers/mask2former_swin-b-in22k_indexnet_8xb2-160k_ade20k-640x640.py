# IndexNet before the stride-4 map of Mask2Former Swin-B on ADE20K: published mIoU 54.71 (SAPA README).
_base_ = [
    '../freqfusion/mask2former_swin-b-in22k_bilinear_8xb2-160k_ade20k-640x640.py',
    '../_base_/upsamplers/indexnet.py',
]
model = dict(decode_head=dict(pixel_decoder=dict(upsample_cfg=_base_.upsample_cfg)))
