# FreqFusion (TPAMI 2024), Table IV, row UPerNet + FreqFusion, Cityscapes: at least +1.0 mIoU.
_base_ = ['./upernet_r50_bilinear_8xb2-160k_cityscapes-512x1024.py', '../_base_/upsamplers/freqfusion.py']
model = dict(decode_head=dict(upsample_cfg=_base_.upsample_cfg))
