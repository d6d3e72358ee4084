# FreqFusion (TPAMI 2024), Mask2Former table, row FreqFusion, Swin-B: ADE20K mIoU 55.3, released
# checkpoint 55.7.
_base_ = [
    './mask2former_swin-b-in22k_bilinear_8xb2-160k_ade20k-640x640.py',
    '../_base_/upsamplers/freqfusion_mask2former.py',
]
model = dict(decode_head=dict(pixel_decoder=dict(fuse_inputs=True, upsample_cfg=_base_.upsample_cfg)))
