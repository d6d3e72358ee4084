# FreqFusion (TPAMI 2024), Table IV, row SegFormer + FreqFusion, Cityscapes: at least +1.0 mIoU; Table I, full.
_base_ = [
    './segformer_mit-b1_bilinear_8xb2-160k_cityscapes-512x1024.py',
    '../_base_/upsamplers/freqfusion_segformer.py',
]
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
