# FreqFusion (TPAMI 2024), Mask2Former on Cityscapes, row R50 + FreqFusion: +1.4 mIoU.
_base_ = [
    './mask2former_r50_bilinear_8xb2-90k_cityscapes-512x1024.py',
    '../_base_/upsamplers/freqfusion_mask2former.py',
]
model = dict(decode_head=dict(pixel_decoder=dict(fuse_inputs=True, upsample_cfg=_base_.upsample_cfg)))
