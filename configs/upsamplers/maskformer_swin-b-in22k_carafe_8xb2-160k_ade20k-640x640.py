# CARAFE in the pixel decoder of MaskFormer Swin-B on ADE20K: published mIoU 53.53 (SAPA README).
_base_ = ['./maskformer_swin-b-in22k_nearest_8xb2-160k_ade20k-640x640.py', '../_base_/upsamplers/carafe.py']
model = dict(decode_head=dict(pixel_decoder=dict(upsample_cfg=_base_.upsample_cfg)))
