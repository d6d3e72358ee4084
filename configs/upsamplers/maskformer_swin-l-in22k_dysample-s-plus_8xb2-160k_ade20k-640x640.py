# DySample-S+ in the pixel decoder of MaskFormer Swin-L on ADE20K: published mIoU 54.9 (DySample, restated).
_base_ = [
    './maskformer_swin-l-in22k_nearest_8xb2-160k_ade20k-640x640.py',
    '../_base_/upsamplers/dysample-s-plus.py',
]
model = dict(decode_head=dict(pixel_decoder=dict(upsample_cfg=_base_.upsample_cfg)))
